package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/git-bst/git-bst/internal/hint"
)

// errPermanent marks an answer that asking again does not change.
var errPermanent = errors.New("the server refused")

// downloadHTTP fills part, trying again behind what arrived when the connection breaks.
func (e Env) downloadHTTP(ctx context.Context, from, part string) (etag string, err error) {
	for attempt := 1; ; attempt++ {
		etag, err = e.attemptHTTP(ctx, from, part)
		if err == nil {
			return etag, nil
		}
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		err = fmt.Errorf("%w: %s: %w", ErrDownload, redact(from), withoutURL(err))
		switch {
		case errors.Is(err, ErrTooLarge):
			return "", hint.Add(err, "if it is meant, raise the limit: git config bst.fetch.max-size SIZE")
		case errors.Is(err, errPermanent), attempt == maxAttempts:
			if sizeOf(part) == 0 {
				return "", err
			}
			return "", hint.Add(err, "what was downloaded so far is kept; a further attempt goes on behind it")
		}
		e.progress(fmt.Sprintf("%v: attempt %d of %d", err, attempt+1, maxAttempts))
		if err := pause(ctx, time.Duration(attempt)*e.RetryDelay); err != nil {
			return "", err
		}
	}
}

// withoutURL takes the URL, which may have a password in it, out of net/http's errors.
func withoutURL(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// newRequest asks for the bytes as they are: a Content-Encoding undone by net/http would not have
// the SHA-256 of the file.
func newRequest(ctx context.Context, from string) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errPermanent, withoutURL(err))
	}
	request.Header.Set("Accept", "*/*")
	request.Header.Set("Accept-Encoding", "identity")
	request.Header.Set("User-Agent", "git-bst")
	return request, nil
}

// attemptHTTP asks once. The tag beside the part is of the version the part is of: the server
// continues only the same version (If-Range).
func (e Env) attemptHTTP(ctx context.Context, from, part string) (string, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	idle := time.AfterFunc(idleTimeout, func() { cancel(fmt.Errorf("nothing arrived for %v", idleTimeout)) })
	defer idle.Stop()
	request, err := newRequest(ctx, from)
	if err != nil {
		return "", err
	}
	have := sizeOf(part)
	tag, err := os.ReadFile(part + ".etag")
	if err == nil && have > 0 && len(tag) > 0 {
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", have))
		request.Header.Set("If-Range", string(tag))
	} else {
		have = 0
	}
	response, err := e.client().Do(request)
	if err != nil {
		return "", causeOf(ctx, err)
	}
	defer response.Body.Close()
	if have, err = continueAt(response, have); err != nil {
		_ = os.Remove(part)
		return "", err
	}
	limit := e.Limits.orDefault().DownloadBytes
	if have+response.ContentLength > limit {
		return "", fmt.Errorf("%w: %w: %d bytes", errPermanent, ErrTooLarge, have+response.ContentLength)
	}
	etag := response.Header.Get("ETag")
	if err := keepTag(part+".etag", etag); err != nil {
		return "", err
	}
	body := &boundedReader{ctx: ctx, r: &watchedReader{r: response.Body, idle: idle}, left: limit - have}
	err = appendAt(part, have, body, response.ContentLength)
	return etag, causeOf(ctx, err)
}

// causeOf tells why ctx ended when that is why err occurred.
func causeOf(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// keepTag remembers a strong tag; a weak one does not promise the same bytes.
func keepTag(path, etag string) error {
	if etag == "" || strings.HasPrefix(etag, "W/") {
		_ = os.Remove(path)
		return nil
	}
	return os.WriteFile(path, []byte(etag), 0o644)
}

// continueAt says where the body of an answer begins in the file.
func continueAt(response *http.Response, have int64) (int64, error) {
	switch code := response.StatusCode; {
	case code == http.StatusOK:
		return 0, nil
	case code == http.StatusPartialContent:
		first, _, _ := strings.Cut(strings.TrimPrefix(response.Header.Get("Content-Range"), "bytes "), "-")
		if at, err := strconv.ParseInt(first, 10, 64); err != nil || at != have {
			return 0, fmt.Errorf("the server answered with another range: %q", response.Header.Get("Content-Range"))
		}
		return have, nil
	case code == http.StatusRequestedRangeNotSatisfiable, code == http.StatusTooManyRequests, code >= 500:
		return 0, errors.New(response.Status)
	default:
		return 0, fmt.Errorf("%w: %s", errPermanent, response.Status)
	}
}

// appendAt writes body to the file behind its first at bytes. length is what was announced, -1 unknown.
func appendAt(path string, at int64, body io.Reader, length int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("%w: %w", errPermanent, err)
	}
	defer f.Close()
	if err := f.Truncate(at); err != nil {
		return fmt.Errorf("%w: %w", errPermanent, err)
	}
	if _, err := f.Seek(at, io.SeekStart); err != nil {
		return fmt.Errorf("%w: %w", errPermanent, err)
	}
	n, err := io.Copy(f, body)
	if err != nil {
		return err
	}
	if length >= 0 && n != length {
		return fmt.Errorf("%d of %d bytes: %w", n, length, io.ErrUnexpectedEOF)
	}
	return f.Close()
}

// watchedReader starts the idle timer anew whenever bytes arrive.
type watchedReader struct {
	r    io.Reader
	idle *time.Timer
}

func (w *watchedReader) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if n > 0 {
		w.idle.Reset(idleTimeout)
	}
	return n, err
}

// client is the caller's with redirects bounded and never from https to http.
func (e Env) client() *http.Client {
	client := http.Client{}
	if e.HTTP != nil {
		client = *e.HTTP
	} else {
		client.Transport = &http.Transport{} // no proxy: nothing is read from this process's environment
	}
	client.CheckRedirect = func(next *http.Request, via []*http.Request) error {
		if len(via) >= maxRedirects {
			return fmt.Errorf("%w: more than %d redirects", errPermanent, maxRedirects)
		}
		if via[len(via)-1].URL.Scheme == "https" && next.URL.Scheme != "https" {
			return fmt.Errorf("%w: it redirects from https to %s", errPermanent, next.URL.Scheme)
		}
		return nil
	}
	return &client
}
