package main

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

	mu   sync.Mutex
	bars map[string]*mpb.Bar // by step ID
}

func newBars(w io.Writer) *bars {
	return &bars{
		progress: mpb.New(mpb.WithOutput(w), mpb.WithWidth(24), mpb.WithRefreshRate(100*time.Millisecond)),
		bars:     map[string]*mpb.Bar{},
	}
}

func (b *bars) event(e apply.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e.Type {
	case apply.StepStarted:
		b.bars[e.Step] = b.progress.New(0, mpb.BarStyle().Lbound("[").Rbound("]"),
			mpb.BarRemoveOnComplete(),
			mpb.PrependDecorators(decor.Name("   "+e.Step+" ", decor.WCSyncSpaceR)),
			mpb.AppendDecorators(decor.CountersKibiByte("% .1f / % .1f"), decor.Name("  "), decor.Elapsed(decor.ET_STYLE_GO)))
	case apply.StepProgress:
		if bar := b.bars[e.Step]; bar != nil {
			bar.SetTotal(e.Total, false)
			bar.SetCurrent(e.Done)
		}
	case apply.StepDone, apply.StepFailed:
		if bar := b.bars[e.Step]; bar != nil {
			bar.Abort(true)
			delete(b.bars, e.Step)
		}
	}
}

// print writes a line above the bars.
func (b *bars) print(line string) { _, _ = b.progress.Write([]byte(line)) }

// close takes all bars away and waits until the terminal is quiet.
func (b *bars) close() {
	b.mu.Lock()
	for _, bar := range b.bars {
		bar.Abort(true)
	}
	b.mu.Unlock()
	b.progress.Wait()
}
