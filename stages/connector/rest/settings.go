package rest

import (
	"time"

	"github.com/trueup-data/trueup/pipeline/config"
)

// systemSettings is systems.<name>.rest.
type systemSettings struct {
	BaseURL config.Name        `yaml:"base_url,required" help:"where the API is: https://api.example.com/v2"`
	Auth    authSettings       `yaml:"auth" help:"credentials; they are added when a request is sent and stored nowhere"`
	Headers config.Map[string] `yaml:"headers" help:"sent with every request, such as the API's version"`
}

// authSettings is one of four ways.
type authSettings struct {
	Bearer string          `yaml:"bearer" help:"a token that does not expire"`
	Basic  *basicSettings  `yaml:"basic"`
	APIKey *apiKeySettings `yaml:"api_key"`
	OAuth2 *oauth2Settings `yaml:"oauth2" help:"client credentials (RFC 6749, 4.4)"`
}

type basicSettings struct {
	User     string `yaml:"user,required"`
	Password string `yaml:"password,required"`
}

type apiKeySettings struct {
	Header string `yaml:"header" help:"the header that carries it, or"`
	Query  string `yaml:"query" help:"the query parameter that carries it"`
	Value  string `yaml:"value,required"`
}

type oauth2Settings struct {
	TokenURL     config.Name `yaml:"token_url,required"`
	ClientID     string      `yaml:"client_id,required"`
	ClientSecret string      `yaml:"client_secret,required"`
	Scopes       []string    `yaml:"scopes"`
}

// extractSettings is the connector's part of extract.
type extractSettings struct {
	Request   requestSettings    `yaml:"request,required" help:"what lists the records"`
	Records   string             `yaml:"records" help:"path of the array in the answer; default: the answer is the array"`
	ETag      string             `yaml:"etag" help:"path of a record's ETag in a listing"`
	Ordered   bool               `yaml:"ordered" help:"the listing is sorted by the cursor field, ascending; checked while it is read, and makes every page a point to resume from"`
	Paginate  *paginateSettings  `yaml:"paginate"`
	Partition *partitionSettings `yaml:"partition"`
	Read      *readSettings      `yaml:"read" help:"one record by ID: proofs of deletion, read backs, ETags"`
	Search    *searchSettings    `yaml:"search" help:"the records that carry a key of ours"`
}

type requestSettings struct {
	Method  string                      `yaml:"method" enum:"GET|POST"`
	Path    config.Template             `yaml:"path,required"`
	Query   config.Map[config.Template] `yaml:"query" help:"a parameter whose place is empty is left out"`
	Headers config.Map[config.Template] `yaml:"headers"`
	Body    config.Node                 `yaml:"body" help:"any JSON; its texts may have places"`
}

// paginateSettings is one style, and what is common to all.
type paginateSettings struct {
	Cursor  *cursorSettings `yaml:"cursor" help:"a token for the next page"`
	Page    *pageSettings   `yaml:"page" help:"page numbers"`
	Offset  *offsetSettings `yaml:"offset" help:"how many records to skip"`
	Link    bool            `yaml:"link" help:"a Link header with rel=next (RFC 8288)"`
	NextURL string          `yaml:"next_url" help:"path of the next page's URL in the answer"`

	PageSize  *pageSizeSettings `yaml:"page_size"`
	MaxWindow int               `yaml:"max_window" help:"the most records that one listing gives: so many prove nothing"`
	HasMore   string            `yaml:"has_more" help:"path of a flag that says whether there is more"`
	at        config.Position
}

// FromNode keeps the place.
func (p *paginateSettings) FromNode(n config.Node) error {
	type plain paginateSettings // without this method
	var out plain
	if err := n.Decode(&out); err != nil {
		return err
	}
	*p = paginateSettings(out)
	p.at = n.At()
	return nil
}

type cursorSettings struct {
	Next   string `yaml:"next" help:"path of the token in the answer, or"`
	Header string `yaml:"header" help:"the header that carries it"`
	Param  string `yaml:"param,required" help:"the query parameter that takes it"`
}

type pageSettings struct {
	Param   string `yaml:"param,required"`
	Start   *int   `yaml:"start" help:"number of the first page; default 1"`
	Total   string `yaml:"total" help:"path of the number of records"`
	HasMore string `yaml:"has_more" help:"path of a flag that says whether there is more"`
	Stable  bool   `yaml:"stable" help:"records never move between pages; otherwise every page is read twice to see that they did not"`
}

type offsetSettings struct {
	Param   string `yaml:"param,required"`
	Total   string `yaml:"total" help:"path of the number of records"`
	Overlap *int   `yaml:"overlap" help:"records that are read again with the next page, to see that none moved; default 5"`
}

type pageSizeSettings struct {
	Param string `yaml:"param,required"`
	Value int    `yaml:"value,required"`
}

// partitionSettings is one of three lists.
type partitionSettings struct {
	Param   string           `yaml:"param" help:"the place and query parameter that takes the value"`
	Values  []string         `yaml:"values" help:"a fixed list"`
	From    *partitionList   `yaml:"from" help:"a request that lists the values (an entity of the file is not built yet, and refused)"`
	Windows *windowsSettings `yaml:"windows" help:"windows of time: places window_start and window_end"`
	at      config.Position
}

// FromNode keeps the place.
func (p *partitionSettings) FromNode(n config.Node) error {
	type plain partitionSettings // without this method
	var out plain
	if err := n.Decode(&out); err != nil {
		return err
	}
	*p = partitionSettings(out)
	p.at = n.At()
	return nil
}

// partitionList is the name of an entity, or a request.
type partitionList struct {
	Entity  config.Name
	Request *listSettings
}

type listSettings struct {
	Path     config.Template             `yaml:"path,required"`
	Query    config.Map[config.Template] `yaml:"query"`
	Records  string                      `yaml:"records" help:"path of the array in the answer"`
	Value    string                      `yaml:"value,required" help:"path of the value in a record"`
	Paginate *paginateSettings           `yaml:"paginate"`
}

// FromNode takes both forms.
func (l *partitionList) FromNode(n config.Node) error {
	if n.Kind() == config.KindScalar {
		return n.Decode(&l.Entity)
	}
	return n.Decode(&l.Request)
}

type windowsSettings struct {
	From config.Name   `yaml:"from,required" help:"the first day: 2020-01-01"`
	Size time.Duration `yaml:"size,required" help:"such as 30d; the last window is open"`
}

type readSettings struct {
	Path   config.Template             `yaml:"path,required" help:"with the place id"`
	Query  config.Map[config.Template] `yaml:"query"`
	Gone   []int                       `yaml:"gone" help:"statuses that say that the record does not exist; default [404, 410]"`
	Record string                      `yaml:"record" help:"path of the record in the answer"`
}

type searchSettings struct {
	Path    config.Template             `yaml:"path,required"`
	Query   config.Map[config.Template] `yaml:"query"`
	Records string                      `yaml:"records" help:"path of the array; default: as in extract"`
	Unique  bool                        `yaml:"unique" help:"the system refuses a second record with the same key"`
}

// writeSettings is the connector's part of write.
type writeSettings struct {
	Create       operationSettings     `yaml:"create"`
	Update       operationSettings     `yaml:"update"`
	Delete       operationSettings     `yaml:"delete"`
	Idempotency  *idempotencySettings  `yaml:"idempotency"`
	Precondition *preconditionSettings `yaml:"precondition"`
	Answer       *answerSettings       `yaml:"answer" help:"where the answer to a write has the record"`
}

type operationSettings struct {
	Method  string                      `yaml:"method" enum:"POST|PUT|PATCH|DELETE"`
	Path    config.Template             `yaml:"path,required"`
	Headers config.Map[config.Template] `yaml:"headers"`
	Body    config.Node                 `yaml:"body" help:"any JSON; its texts may have places, and fields is the object of what is sent"`
	on      bool
	at      config.Position
}

// FromNode takes false for what is not offered.
func (o *operationSettings) FromNode(n config.Node) error {
	if n.Kind() == config.KindScalar && n.Text() == "false" {
		return nil
	}
	type plain operationSettings // without this method
	var out plain
	if err := n.Decode(&out); err != nil {
		return err
	}
	*o = operationSettings(out)
	o.on, o.at = true, n.At()
	return nil
}

type idempotencySettings struct {
	Header    string        `yaml:"header,required" help:"such as Idempotency-Key"`
	Retention time.Duration `yaml:"retention" help:"how long the system remembers a key"`
}

type preconditionSettings struct {
	Header string           `yaml:"header,required" help:"such as If-Match"`
	From   preconditionFrom `yaml:"from,required"`
}

type preconditionFrom struct {
	Header string      `yaml:"header" help:"the header of a read that carries the version, such as ETag, or"`
	Field  config.Name `yaml:"field" help:"the field that carries it"`
}

type answerSettings struct {
	Record string `yaml:"record" help:"path of the record in the answer; default: the answer"`
	ID     string `yaml:"id" help:"path of its ID, in the record or in the answer"`
}
