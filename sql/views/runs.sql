-- Every run.
--
-- run: its ID; IDs sort by time
-- mode: incremental or sweep
-- state: running, done, failed, attention or interrupted
-- epoch: the number of its tenure
-- run_at: its clock, which every decision uses
-- started_at: when it began by the machine's clock
-- ended_at: when it ended; null while it runs, or if it died
-- exit_code: of its process
-- project: digest of the project file that it used
-- summary: JSON of what each stage did
SELECT run, mode, state, epoch, run_at, started_at, ended_at, exit_code, project, summary
FROM _runs;
