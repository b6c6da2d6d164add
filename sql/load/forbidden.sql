-- The effects that a person's latest word is against, and which word that is.
SELECT effect, kind FROM word WHERE kind <> 'approve';
