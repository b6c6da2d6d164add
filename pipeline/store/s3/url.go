package s3

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/store"
)

// Location is what the URL of a store says:
//
//	s3://bucket/prefix?endpoint=http://127.0.0.1:9000&path_style=true&region=eu-west-1&profile=name
//
// Everything but the bucket may be left out. It never holds credentials.
type Location struct {
	Bucket    string
	Prefix    string // without slashes at its ends; "" is the whole bucket
	Endpoint  string // "" is Amazon's
	PathStyle bool   // address the bucket in the path, not in the host name
	Region    string // "" is what the environment or the profile says
	Profile   string // of the shared configuration files; "" is the default chain
}

// ParseURL reads the URL of a store. A URL with credentials is refused without
// being shown, and so are parameters that nobody knows.
func ParseURL(text string) (Location, error) {
	u, err := url.Parse(text)
	if err != nil {
		var reason *url.Error
		if errors.As(err, &reason) {
			err = reason.Err // without the text, which may hold a password
		}
		return Location{}, badURL(fmt.Errorf("it cannot be read: %w", err))
	}
	if u.User != nil {
		return Location{}, badURL(errors.New("it holds credentials"))
	}
	if u.Scheme != "s3" || u.Host == "" || u.Fragment != "" || u.Port() != "" {
		return Location{}, badURL(errors.New("it must look like s3://bucket/prefix"))
	}
	l := Location{Bucket: u.Host, Prefix: strings.Trim(u.Path, "/")}
	if l.Prefix != "" {
		if err := store.CheckKey(l.Prefix); err != nil {
			return Location{}, badURL(err)
		}
	}
	if err := l.parameters(u.RawQuery); err != nil {
		return Location{}, badURL(err)
	}
	return l, nil
}

func badURL(err error) error {
	return &fault.Error{
		Kind: fault.Permanent, Op: "read the URL of the store", Err: err, Code: fault.CodeBadStoreURL,
		Help: "write s3://bucket/prefix?endpoint=https://host&path_style=true&region=name&profile=name; " +
			"credentials come from the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) or from the profile",
	}
}

func (l *Location) parameters(query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return errors.New("its parameters cannot be read")
	}
	known := []string{"endpoint", "path_style", "profile", "region"}
	for name, given := range values {
		if !slices.Contains(known, name) {
			return fmt.Errorf("parameter %q is unknown; there are %s", name, strings.Join(known, ", "))
		}
		if len(given) > 1 {
			return fmt.Errorf("parameter %q is given %d times", name, len(given))
		}
	}
	l.Region, l.Profile = values.Get("region"), values.Get("profile")
	if text := values.Get("path_style"); text != "" {
		if l.PathStyle, err = strconv.ParseBool(text); err != nil {
			return errors.New("path_style must be true or false")
		}
	}
	return l.setEndpoint(values.Get("endpoint"))
}

func (l *Location) setEndpoint(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"):
		return errors.New("endpoint must look like https://host:port")
	case u.User != nil:
		return errors.New("its endpoint holds credentials")
	case u.RawQuery != "" || u.Fragment != "":
		return errors.New("endpoint must have no parameters")
	}
	l.Endpoint = strings.TrimSuffix(u.String(), "/")
	return nil
}

// String is the URL again, in one fixed form.
func (l Location) String() string {
	u := url.URL{Scheme: "s3", Host: l.Bucket}
	if l.Prefix != "" {
		u.Path = "/" + l.Prefix
	}
	var query []string
	add := func(name, value string) {
		if value != "" {
			query = append(query, name+"="+strings.ReplaceAll(url.QueryEscape(value), "%2F", "/"))
		}
	}
	add("endpoint", l.Endpoint)
	if l.PathStyle {
		add("path_style", "true")
	}
	add("region", l.Region)
	add("profile", l.Profile)
	u.RawQuery = strings.ReplaceAll(strings.Join(query, "&"), "%3A", ":")
	return u.String()
}
