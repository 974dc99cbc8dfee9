package cas

// InjectSteps makes every write call step between its steps; an error ends it there.
func (l *Local) InjectSteps(step func(name string) error) { l.faults.step = step }

// InjectWrite replaces write(2) for blobs.
func (l *Local) InjectWrite(write func(fd int, p []byte) (int, error)) { l.faults.write = write }

// ForgetBoot makes the store on disk look as if the machine had been started since.
func (l *Local) ForgetBoot() error {
	s := l.readState()
	s.boot = "another"
	return writeState(l.dir, s)
}
