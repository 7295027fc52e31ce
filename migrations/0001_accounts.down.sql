DROP TABLE signing_key, refresh_token, member, organization, account_key, account;
