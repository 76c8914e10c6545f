package acceptance

import (
	"fmt"
	"strings"
)

// chart draws what the tools took, medians with what lies between the shortest and the longest run, as SVG that is
// read on light and on dark ground.
func chart(set benchmarks) string {
	const (
		left, bar, line, width = 190, 200, 22, 760
		second                 = left + bar + 70 // where the other column begins
	)
	colors := map[string]string{"floor": "#8b949e", "clusterup": "#2f81f7", "Ansible": "#d18616"}
	var longest, busiest float64
	for _, s := range set.Tools {
		longest, busiest = max(longest, median(s.Seconds)), max(busiest, median(s.CPU))
		for _, took := range s.Seconds {
			longest = max(longest, took)
		}
	}
	var body strings.Builder
	y := 30
	text := func(x, y int, class, words string) {
		fmt.Fprintf(&body, "<text x=\"%d\" y=\"%d\" class=\"%s\">%s</text>\n", x, y, class, words)
	}
	rect := func(x, y int, wide float64, color string) {
		fmt.Fprintf(&body, "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"14\" rx=\"2\" fill=\"%s\"/>\n", x, y-11,
			max(wide, 1), color)
	}
	text(left, y, "head", "time")
	text(second, y, "head", "processor time, of all machines")
	for _, what := range []string{fromBare, noneLeft} {
		for _, hosts := range []int{3, 5} {
			begun := false
			for _, s := range set.Tools {
				if s.What != what || s.Hosts != hosts {
					continue
				}
				if !begun {
					y += line + 8
					text(10, y, "head", fmt.Sprintf("%s, %d members", what, hosts))
					begun = true
				}
				y += line
				scale := bar / longest
				text(20, y, "", s.Tool)
				rect(left, y, median(s.Seconds)*scale, colors[s.Tool])
				least, most := s.Seconds[0], s.Seconds[0]
				for _, took := range s.Seconds {
					least, most = min(least, took), max(most, took)
				}
				fmt.Fprintf(&body, "<path d=\"M%.1f %dH%.1f\" class=\"range\"/>\n", left+least*scale, y-4, left+most*scale)
				text(left+int(most*scale)+8, y, "", figure(median(s.Seconds)))
				rect(second, y, median(s.CPU)*bar/busiest, colors[s.Tool])
				text(second+int(median(s.CPU)*bar/busiest)+8, y, "", figure(median(s.CPU)))
			}
		}
	}
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="what floor, clusterup and Ansible take">
<style>
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.head { font-weight: 600 }
.range { stroke: #1f2328; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .range { stroke: #e6edf3 } }
</style>
%s</svg>
`, width, y+line, body.String())
}
