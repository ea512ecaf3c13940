-- The roles that are there, of which CREATE ROLE has no IF NOT EXISTS.
select role_name
from svv_roles;
