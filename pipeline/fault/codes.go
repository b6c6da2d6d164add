package fault

import (
	"net/http"
	"slices"
)

// Code says what one kind of error means, wherever it comes from. The list is
// closed: programs may branch on a name, and docs/errors.md is made of it.
type Code struct {
	Name    string `json:"code"`
	Title   string `json:"title"`
	Meaning string `json:"meaning"`
	Safe    string `json:"safe"` // what did not happen, or stays as it is
	Do      string `json:"do"`   // what a person does about it
}

// The names of the codes. Errors carry them, and nothing else, in Error.Code.
const (
	CodeUsage         = "usage"
	CodeNoProjectFile = "no_project_file"
	CodeProjectFile   = "project_file"

	CodeBadStoreURL    = "bad_store_url"
	CodeStoreRefused   = "store_refused"
	CodeStoreFailed    = "store_failed"
	CodeNoLake         = "no_lake"
	CodeLakeDamaged    = "lake_damaged"
	CodeCommitGone     = "commit_gone"
	CodePinLost        = "pin_lost"
	CodeCommitUnknown  = "commit_unknown"
	CodeCommitMoved    = "commit_moved"
	CodeLeaseHeld      = "lease_held"
	CodeLeaseLost      = "lease_lost"
	CodeFenced         = "fenced"
	CodeClockBackwards = "clock_backwards"
	CodeInterrupted    = "interrupted"

	CodeUnreachable   = "system_unreachable"
	CodeAccessRefused = "access_refused"
	CodeThrottled     = "throttled"
	CodeSystemFailed  = "system_failed"
	CodeSystemAnswer  = "system_answer"
	CodeCircuitOpen   = "circuit_open"

	CodePartial      = "stream_partial"
	CodePlanWaiting  = "plan_waiting"
	CodeChangeHeld   = "change_held"
	CodeFindingHigh  = "finding_high"
	CodeWriteRefused = "write_refused"
	CodeNotKept      = "not_kept"
	CodeInDoubt      = "in_doubt"
	CodePutOff       = "put_off"

	CodeStatement    = "statement"
	CodeValue        = "value"
	CodeRefused      = "refused"
	CodeMemory       = "memory"
	CodeFile         = "file"
	CodeBroken       = "broken"
	CodeQueryTime    = "query_time"
	CodeChecksFailed = "checks_failed"
)

// Codes is the list, in the order of its document.
func Codes() []Code {
	return slices.Concat(commandCodes(), storeCodes(), systemCodes(), attentionCodes(), queryCodes())
}

// CodeNamed finds a code.
func CodeNamed(name string) (Code, bool) {
	all := Codes()
	i := slices.IndexFunc(all, func(c Code) bool { return c.Name == name })
	if i < 0 {
		return Code{}, false
	}
	return all[i], true
}

// CodeOfStatus is the code of an HTTP answer that was no success.
func CodeOfStatus(status int) string {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return CodeAccessRefused
	case status == http.StatusTooManyRequests:
		return CodeThrottled
	case status >= http.StatusInternalServerError:
		return CodeSystemFailed
	}
	return CodeSystemAnswer
}

func commandCodes() []Code {
	return []Code{
		{CodeUsage, "the command line is wrong", "A verb, flag or argument does not exist, or has a value that it cannot have.",
			"Nothing was done.", "Read the help line; trueup VERB --help lists what there is."},
		{CodeNoProjectFile, "there is no project file", "The file or folder that --project names, by default trueup.yaml here, is not there or cannot be read.",
			"Nothing was done.", "Go to the project's folder, or name the file with --project. trueup init writes a new one."},
		{CodeProjectFile, "the project file is wrong", "It has mistakes; each is listed with its file, line and column.",
			"The file is read first: no system was asked, and nothing was written.", "Correct what is listed, then: trueup validate."},
		{CodeInterrupted, "the run was stopped", "A signal ended it. It stopped at its last commit.",
			"What was read, decided or sent is stored. Nothing is sent twice.", "Run it again: the next run goes on from there."},
		{CodeClockBackwards, "the run's clock goes backwards", "--run-at is before the clock of the last run. Every decision of a run uses its clock, so it never goes backwards.",
			"Nothing was done.", "Leave --run-at away, or give a time that is not before that of the last run: trueup runs."},
		{CodeChecksFailed, "a check of doctor failed", "The store, the project file or a system is not as it has to be; each failed check says why.",
			"doctor changes nothing.", "Do what the failed checks say, then: trueup doctor."},
	}
}

func storeCodes() []Code {
	return []Code{
		{CodeBadStoreURL, "the store's URL is wrong", "The project's store is neither file://PATH nor s3://BUCKET/PREFIX with known parameters.",
			"Nothing was done.", "Correct store: in the project file."},
		{CodeStoreRefused, "the store does not keep what commits need", "It lets two writers create one object, or swaps one that has changed. A folder of a network file system, and some servers that speak S3, are like this.",
			"Nothing was written but the probe's own objects.", "Use a folder on a local disk, or a store that honours If-None-Match and If-Match."},
		{CodeStoreFailed, "the store cannot be used now", "It did not answer, refused the credentials, or its disk is full.",
			"What was committed stays. The run that met it goes on from its last commit when it is run again.", "See that the store is up and its credentials are right: trueup doctor."},
		{CodeNoLake, "there is no lake in the store", "The store is empty, or its log was removed.",
			"Nothing was read or written.", "For a new project: trueup init. If there was one: restore the objects below log/ from the bucket's versions or a backup."},
		{CodeLakeDamaged, "an object of the lake is missing or changed", "A commit names an object that is not there, or whose content is not what was committed. Nothing goes on by itself then.",
			"Nothing was changed.", "Restore exactly the object that the error names, from the bucket's versions or a backup; then: trueup doctor."},
		{CodeCommitGone, "the commit is not kept any more", "It is older than what trueup collect kept.",
			"Nothing was changed.", "Ask for a newer one; trueup collect --keep N keeps more from now on."},
		{CodePinLost, "what was read may have been collected meanwhile", "The process could not tell in time that it still reads an old commit, for instance because the machine slept.",
			"Nothing was changed; what was read is not used.", "Do it again."},
		{CodeCommitUnknown, "it is not known whether the last commit landed", "The store's answer was lost and it could not be asked again.",
			"Whatever landed is whole. Nothing is cleaned up, and nothing is sent on the strength of it.", "Run it again: the next run reads what is there."},
		{CodeCommitMoved, "the state changed while it was decided upon", "Somebody else committed in between, and nothing of this landed.",
			"Nothing of it was stored.", "Do it again."},
		{CodeLeaseHeld, "another run is on", "Two runs never work at once. The other one renews its lease.",
			"This run did nothing.", "Nothing, if it happens now and then. trueup status shows the other run; one that died is taken over by itself."},
		{CodeLeaseLost, "the run lost its lease", "It could not renew in time, or another took it: the machine slept, or the store was away for long.",
			"It sent nothing after that moment, and committed nothing.", "Run it again: it goes on from the last commit."},
		{CodeFenced, "a newer run took over", "Another run began its tenure; nothing of this one lands any more.",
			"Nothing that this run did after that is stored. What it had sent is settled by the newer run.", "Nothing: the newer run goes on."},
	}
}

func systemCodes() []Code {
	const stays = "No cursor moved past what is stored, nothing counts as deleted, and what was sent without an answer is read back by the next run."
	return []Code{
		{CodeUnreachable, "a system does not answer", "No connection, a reset, or no answer in time.",
			stays, "See that it is up and its address is right: trueup doctor. The next run tries again."},
		{CodeAccessRefused, "a system refuses our credentials", "It answered 401 or 403, or refused the login.",
			"Nothing of that system was read as missing or deleted, and nothing was written there.", "Correct its credentials and what they may do: trueup doctor."},
		{CodeThrottled, "a system asks for fewer requests", "It answered 429, also after waiting as long as it asked for.",
			stays, "Lower limits.requests_per_second of the system, or run when its quota is free."},
		{CodeSystemFailed, "a system fails", "It answered with a status of 500 or more, also when it was asked again.",
			stays, "Wait, or ask those who run it. The next run tries again."},
		{CodeSystemAnswer, "a system's answer is not what was expected", "A status that is no success, a redirect, or something that is not the declared JSON. An answer that is not whole never counts as empty.",
			stays, "Compare the request in the error with the API's documentation; correct the stream in the project file; trueup doctor."},
		{CodeCircuitOpen, "a system is left alone for a while", "Its last requests all failed, or it asked for a pause that is longer than a run waits.",
			"Nothing was sent; what is stored stays.", "Run again after the time that the error names."},
	}
}

func attentionCodes() []Code {
	return []Code{
		{CodePartial, "a stream was not read to its end", "Something kept a partition from being complete; why: says what.",
			"What is not proven complete deletes nothing, moves no cursor past what is not stored, and gets no write for a record whose state is not known.",
			"trueup doctor tries the system; the next run goes on."},
		{CodePlanWaiting, "changes wait for an approval", "The first changes of a system, and those after a changed project file, are a plan that a person approves.",
			"None of them is sent before.", "trueup plan shows them; trueup approve PLAN, or trueup reject PLAN; then trueup load."},
		{CodeChangeHeld, "a change is held", "A guard stopped too many changes at once, or nothing can tell whether a request was carried out.",
			"A held change is not sent, and not repeated.", "trueup changes --state held gives the reason; then trueup approve CHANGE, or trueup reject CHANGE."},
		{CodeFindingHigh, "there is a grave finding", "Something happened that no rule may decide, or that looks wrong.",
			"What it concerns is left as it is.", "trueup status lists it, with what to do."},
		{CodeWriteRefused, "a system refused a change", "It answered that it will not do it; the change's reason says why.",
			"Nothing was changed there; it is a known difference, and not sent again until either side changes.", "trueup changes --state failed; correct the value, or reject the change."},
		{CodeNotKept, "a system did not keep what it was sent", "It answered that the change was done, and shows another value.",
			"What it shows is stored as what it says.", "See whether the field is read-only, or declare what the system does to it: trueup explain ENTITY KEY."},
		{CodeInDoubt, "it is not known whether a change was done", "A request went out and its answer was lost.",
			"It is not repeated blindly: the next run reads back, or repeats it under the same key.", "trueup run."},
		{CodePutOff, "changes were put off", "The system was busy or away.",
			"They were not sent, and stay ready.", "trueup run, when it is back."},
	}
}

func queryCodes() []Code {
	const nothing = "A query changes nothing."
	return []Code{
		{CodeStatement, "a statement is wrong", "DuckDB does not understand it: its syntax, a name or a type. The error points to the place.",
			nothing, "Correct it; trueup query --describe lists the views, trueup query --describe VIEW its columns."},
		{CodeValue, "a value does not fit", "It does not fit its type, divides by zero, or is out of range.",
			nothing, "Correct the expression, or use try_cast."},
		{CodeRefused, "only reading is allowed there", "Queries, and expressions of a project file, are a single SELECT that reaches nothing but the lake.",
			"Nothing was run.", "Write it as one SELECT."},
		{CodeMemory, "it needs too much memory", "The memory limit was reached, and the temporary folder has no room for what does not fit.",
			"What was committed stays.", "Narrow the query; or give the process more memory, or the temporary folder more room."},
		{CodeFile, "a file cannot be read or written", "The working folder .trueup, or the temporary folder, is full or not writable.",
			"What was committed stays.", "Free space, or let the process write there."},
		{CodeBroken, "the query engine failed", "DuckDB reported a failure of its own.",
			"Nothing was stored by it.", "Run the same command again; if it fails again, report it with the error."},
		{CodeQueryTime, "a query took too long, or was stopped", "--timeout was over, a signal came, or its process ended.",
			nothing, "Narrow it, or raise --timeout."},
	}
}
