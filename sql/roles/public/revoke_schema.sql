-- public: every user may by default create tables in the schema public (r_Privileges); here nobody but the
-- owner may, so that no user's table can stand in for one of these. Rerun: changes nothing.
revoke create on schema public from public;
