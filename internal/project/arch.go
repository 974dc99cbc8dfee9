package project

import (
	"fmt"
	"runtime"
	"strings"
)

// archNames are BuildStream's names of machines and the other names that it understands.
var archNames = map[string]string{
	"aarch32": "aarch32", "arm": "aarch32",
	"aarch64": "aarch64", "armv8l": "aarch64",
	"aarch64-be": "aarch64-be", "armv8b": "aarch64-be",
	"i386": "x86-32", "i486": "x86-32", "i586": "x86-32", "i686": "x86-32", "x86-32": "x86-32",
	"amd64": "x86-64", "x86-64": "x86-64",
	"la64v100": "la64v100", "loong64": "la64v100", "loongarch64": "la64v100",
	"power-isa-be": "power-isa-be", "powerpc": "power-isa-be", "powerpc64": "power-isa-be", "ppc64": "power-isa-be",
	"power-isa-le": "power-isa-le", "powerpc64le": "power-isa-le", "ppc64le": "power-isa-le",
	"riscv32": "rv32g", "rv32g": "rv32g", "riscv64": "rv64g", "rv64g": "rv64g",
	"sparc": "sparc-v9", "sparc64": "sparc-v9", "sparc-v9": "sparc-v9", "sun4v": "sparc-v9",
}

// goArchNames are the names in archNames of machines that Go calls something else.
var goArchNames = map[string]string{"arm64": "aarch64", "386": "i386"}

func canonicalArch(name string) (string, error) {
	if arch, ok := archNames[strings.ToLower(strings.ReplaceAll(name, "_", "-"))]; ok {
		return arch, nil
	}
	return "", fmt.Errorf("unknown architecture %q", name)
}

// newHost returns the host by these names; empty ones mean the machine that we run on.
func newHost(arch, system string) (host, error) {
	if arch == "" {
		arch = runtime.GOARCH
		if name, ok := goArchNames[arch]; ok {
			arch = name
		}
	}
	if system == "" {
		system = strings.ToUpper(runtime.GOOS[:1]) + runtime.GOOS[1:]
	}
	canonical, err := canonicalArch(arch)
	if err != nil {
		return host{}, fail(UnknownArchitecture, Place{}, "%v", err)
	}
	return host{arch: canonical, os: system}, nil
}
