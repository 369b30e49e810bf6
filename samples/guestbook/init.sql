CREATE TABLE entries (
  id      serial PRIMARY KEY,
  name    text NOT NULL,
  message text NOT NULL,
  at      timestamptz NOT NULL DEFAULT now()
);

INSERT INTO entries (name, message) VALUES ('tiffin', 'Please sign below.');
