-- What a step only adds to: nobody but the owner can take it out of the record. Rerun: changes nothing.
grant select, insert on table loads to role sparkify_loader;
