-- Which of an exchange's evaluations was made after which: several are made in one second.
ALTER TABLE evaluations ADD COLUMN seq INTEGER NOT NULL DEFAULT 0;
CREATE INDEX evaluations_order ON evaluations (exchange, seq);
