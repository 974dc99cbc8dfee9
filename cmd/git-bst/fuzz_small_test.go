package main

// smallFiles are a project that takes less than a second, for many steps: a makefile that knows some of
// its headers, a folder whose dependencies the compiler finds, one rule that makes two headers of two
// files and knows one of them, text that is made of other files, a pattern for sources.
var smallFiles = map[string]string{
	"Makefile": `include rules.mk
PARTS = $(patsubst parts/%.c,out/%.o,$(wildcard parts/*.c))
all: prog text.out lib
prog: main.o one.o two.o three.o $(PARTS) lib
	$(CC) -o $@ main.o one.o two.o three.o $(PARTS) lib/libsmall.a
lib:
	+$(MAKE) -C lib
main.o: main.c known.h made1.h
	$(COMPILE) -o $@ main.c
one.o: one.c known.h
	$(COMPILE) -o $@ one.c
two.o: two.c made2.h
	$(COMPILE) -o $@ two.c
three.o: three.c
	$(COMPILE) -o $@ three.c
made1.h made2.h: made.stamp
made.stamp: make.sh data1.txt
	sh make.sh data1.txt data2.txt
	touch made.stamp
out/%.o: parts/%.c known.h
	mkdir -p out
	$(COMPILE) -o $@ $<
text.out: text.in VERSION
	sed "s/@VERSION@/$$(cat VERSION)/" text.in > text.out
install: all
	install -D prog $(DESTDIR)/usr/bin/prog
	install -D -m 644 text.out $(DESTDIR)/usr/share/small/text
	install -D -m 644 doc/guide.md $(DESTDIR)/usr/share/small/guide.md
	install -D -m 644 lib/libsmall.a $(DESTDIR)/usr/lib/libsmall.a
.PHONY: all lib install
`,
	"rules.mk": "COMPILE = $(CC) $(CPPFLAGS) $(CFLAGS) -I. -c\n",
	"make.sh": `n=$(cat "$1")
m=$(cat "$2")
printf '#define MADE1 "%s"\n' "$n" > made1.h
printf '#define MADE2 "%s %s"\n' "$n" "$m" > made2.h
`,
	"main.c": `#include <stdio.h>
#include "known.h"
#include "unknown.h"
#include "made1.h"
int main(void) { return printf("%d %d %s", KNOWN, UNKNOWN, MADE1) + one() + two() + three() + small(); }
`,
	"one.c":   "#include \"known.h\"\n#include \"unknown.h\"\nint one(void) { return KNOWN + UNKNOWN; }\n",
	"two.c":   "#include \"made2.h\"\n#include \"nested.h\"\nint two(void) { return sizeof MADE2 + NESTED; }\n",
	"three.c": "#include \"known.h\"\n#include \"lib/small.h\"\nint three(void) { return KNOWN + SMALL; }\n",
	"known.h": `#ifndef KNOWN
#define KNOWN 1
int one(void);
int two(void);
int three(void);
int small(void);

#endif
`,
	"unknown.h":      "#ifndef UNKNOWN\n#define UNKNOWN 1\n\n#endif\n",
	"nested.h":       "#ifndef NESTED\n#include \"unknown.h\"\n#define NESTED 1\n\n#endif\n",
	"parts/first.c":  "#include \"known.h\"\nint first = KNOWN;\n",
	"parts/second.c": "#include \"nested.h\"\nint second = NESTED;\n",
	"lib/Makefile":   "include ../rules.mk\nlibsmall.a: small.o other.o\n\trm -f $@\n\t$(AR) rcD $@ $^\n%.o: %.c\n\t$(COMPILE) -MMD -o $@ $<\n-include *.d\n",
	"lib/small.c":    "#include \"small.h\"\nint small(void) { return SMALL; }\n",
	"lib/other.c":    "#include \"../unknown.h\"\nint other = UNKNOWN;\n",
	"lib/small.h":    "#ifndef SMALL\n#define SMALL 1\n\n#endif\n",
	"lib/README":     "lib\n",
	"data1.txt":      "1\n",
	"data2.txt":      "1\n",
	"VERSION":        "1\n",
	"text.in":        "version @VERSION@\n",
	"doc/guide.md":   "guide\n",
	"README.md":      "small\n",
	"NEWS":           "news\n",
}
