-- How many approvals of removals an account has used up: each is good once.
ALTER TABLE account_ids ADD COLUMN approvals bigint NOT NULL DEFAULT 0;
