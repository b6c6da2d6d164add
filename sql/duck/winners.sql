-- The places of the rows that a fold keeps as the current ones.
CREATE OR REPLACE TEMP TABLE _winners AS SELECT _seq, _ord, _pos FROM _kept;
