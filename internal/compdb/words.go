package compdb

import "strings"

// split parts a line of shell into its simple commands, and these into words: quotes are taken away,
// what another command would print (in backquotes or $()) is taken for nothing, redirections stay
// as words. Nothing is expanded.
func split(line string) [][]string {
	s := &splitter{text: line}
	for s.at < len(s.text) {
		s.next()
	}
	s.endCommand()
	return s.commands
}

type splitter struct {
	text     string
	at       int
	word     strings.Builder
	inWord   bool
	words    []string
	commands [][]string
}

func (s *splitter) endWord() {
	if s.inWord {
		s.words = append(s.words, s.word.String())
	}
	s.word.Reset()
	s.inWord = false
}

func (s *splitter) endCommand() {
	s.endWord()
	if len(s.words) > 0 {
		s.commands = append(s.commands, s.words)
	}
	s.words = nil
}

func (s *splitter) put(c byte) {
	s.word.WriteByte(c)
	s.inWord = true
}

// next takes the next sign, or all that is quoted.
func (s *splitter) next() {
	c := s.text[s.at]
	s.at++
	switch c {
	case ' ', '\t':
		s.endWord()
	case ';', '&', '|', '\n', '(', ')', '{', '}':
		if (c == '{' || c == '}') && s.inWord { // ${NAME}
			s.put(c)
			return
		}
		s.endCommand()
	case '\'':
		end := strings.IndexByte(s.text[s.at:], '\'')
		if end < 0 {
			end = len(s.text) - s.at
		}
		s.word.WriteString(s.text[s.at : s.at+end])
		s.inWord, s.at = true, min(s.at+end+1, len(s.text))
	case '"':
		s.quoted()
	case '\\':
		if s.at < len(s.text) {
			s.put(s.text[s.at])
			s.at++
		}
	case '`':
		s.skip('`')
	case '$':
		if s.at < len(s.text) && s.text[s.at] == '(' {
			s.skip(')')
			return
		}
		s.put(c)
	default:
		s.put(c)
	}
}

// quoted takes what stands in double quotes.
func (s *splitter) quoted() {
	s.inWord = true
	for s.at < len(s.text) {
		c := s.text[s.at]
		s.at++
		switch {
		case c == '"':
			return
		case c == '\\' && s.at < len(s.text) && strings.IndexByte("\"\\$`", s.text[s.at]) >= 0:
			s.put(s.text[s.at])
			s.at++
		case c == '`':
			s.skip('`')
		default:
			s.put(c)
		}
	}
}

// skip goes behind the next end.
func (s *splitter) skip(end byte) {
	i := strings.IndexByte(s.text[s.at:], end)
	if i < 0 {
		s.at = len(s.text)
		return
	}
	s.at += i + 1
}
