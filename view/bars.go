package view

import (
	"io"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/clusterup/clusterup/apply"
)

// bars are the live progress of a run on a terminal: one line for each step under way, with a bar while bytes are sent.
type bars struct {
	progress *mpb.Progress

	mu      sync.Mutex
	bars    map[string]*mpb.Bar // by step ID
	sending map[string]bool     // steps whose line is a bar of bytes
}

func newBars(w io.Writer) *bars {
	return &bars{
		progress: mpb.New(mpb.WithOutput(w), mpb.WithWidth(24), mpb.WithRefreshRate(100*time.Millisecond)),
		bars:     map[string]*mpb.Bar{},
		sending:  map[string]bool{},
	}
}

func (b *bars) event(e apply.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.bars[e.Step]
	switch e.Type {
	case apply.StepStarted:
		b.bars[e.Step] = b.progress.New(0, mpb.NopStyle(), name(e.Step), mpb.BarRemoveOnComplete(),
			mpb.AppendDecorators(decor.Elapsed(decor.ET_STYLE_GO)))
	case apply.StepProgress:
		if old == nil {
			return
		}
		if !b.sending[e.Step] { // the first bytes: a bar takes the line's place
			b.sending[e.Step] = true
			next := b.progress.New(e.Total, mpb.BarStyle().Lbound("[").Rbound("]"), name(e.Step), mpb.BarRemoveOnComplete(),
				mpb.AppendDecorators(decor.CountersKibiByte("% .1f of % .1f"), decor.Name("  "), decor.Elapsed(decor.ET_STYLE_GO)))
			b.bars[e.Step] = next
			old.Abort(true)
			old = next
		}
		old.SetCurrent(min(e.Done, e.Total-1)) // a full bar would go: the host still has to unpack
	case apply.StepDone, apply.StepFailed:
		if old != nil {
			old.Abort(true)
			delete(b.bars, e.Step)
		}
	}
}

func name(step string) mpb.BarOption {
	return mpb.PrependDecorators(decor.Name(string(sprintf("   %s ", step)), decor.WCSyncSpaceR))
}

// above writes a line above the bars.
func (b *bars) above(line safe) { _, _ = b.progress.Write([]byte(line)) }

// close takes all bars away and waits until the terminal is quiet.
func (b *bars) close() {
	b.mu.Lock()
	for _, bar := range b.bars {
		bar.Abort(true)
	}
	b.mu.Unlock()
	b.progress.Wait()
}
