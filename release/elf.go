package release

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
)

// machines are the architectures that etcd is released for, as an ELF header has them.
var machines = map[string]machine{
	"amd64":   {elf.EM_X86_64, elf.ELFDATA2LSB},
	"arm64":   {elf.EM_AARCH64, elf.ELFDATA2LSB},
	"ppc64le": {elf.EM_PPC64, elf.ELFDATA2LSB},
	"s390x":   {elf.EM_S390, elf.ELFDATA2MSB},
	"riscv64": {elf.EM_RISCV, elf.ELFDATA2LSB},
}

type machine struct {
	code  elf.Machine
	order elf.Data
}

func (m machine) String() string {
	for arch, known := range machines {
		if known == m {
			return arch
		}
	}
	return m.code.String()
}

// elfHead is how much of an ELF file says what it is for: the identification, the type and the machine.
const elfHead = 20

var errNoProgram = errors.New("not a Linux program (no ELF header)")

func checkMachine(head []byte, arch string) error {
	if string(head[:4]) != elf.ELFMAG {
		return errNoProgram
	}
	got := machine{order: elf.Data(head[elf.EI_DATA])}
	switch got.order {
	case elf.ELFDATA2LSB:
		got.code = elf.Machine(binary.LittleEndian.Uint16(head[18:]))
	case elf.ELFDATA2MSB:
		got.code = elf.Machine(binary.BigEndian.Uint16(head[18:]))
	default:
		return errNoProgram
	}
	if got != machines[arch] {
		return fmt.Errorf("a program for %v, wanted one for %s", got, arch)
	}
	return nil
}
