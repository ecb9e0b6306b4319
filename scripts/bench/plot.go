package main

import (
	"encoding/xml"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// The measures of the plot, in pixels: panels side by side, each with room for its
// numbers around it.
const (
	panelWidth, panelHeight = 292, 200
	panelsInRow             = 3
	marginLeft, marginRight = 46, 78
	marginTop, marginBelow  = 30, 26
)

// style makes the plot readable on a light page and on a dark one.
const style = `<style>
text { font: 11px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600 }
.grid { stroke: #d1d9e0; stroke-width: 1 }
.ours { stroke: #0969da } .ours-text { fill: #0969da }
.peer { stroke: #bc4c00 } .peer-text { fill: #bc4c00 }
polyline { fill: none; stroke-width: 2; stroke-linejoin: round }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc }
.grid { stroke: #3d444d }
.ours { stroke: #4493f8 } .ours-text { fill: #4493f8 }
.peer { stroke: #f0883e } .peer-text { fill: #f0883e }
}
</style>
`

// plotOf draws the charts that the tables of growth tell of.
func plotOf(tables string) (string, error) {
	charts, err := parseGrowth(tables)
	if err != nil {
		return "", err
	}
	return plot(charts)
}

// plot draws charts as an SVG, with logarithmic axes: a line that rises by the
// same angle in two of them costs proportionally as much more.
func plot(charts []chart) (string, error) {
	var b strings.Builder
	rows := (len(charts) + panelsInRow - 1) / panelsInRow
	width := min(len(charts), panelsInRow) * panelWidth
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">`+"\n", width, rows*panelHeight, width, rows*panelHeight)
	b.WriteString("<title>CPU time in µs, as sizes grow; both axes are logarithmic</title>\n" + style)
	for i, c := range charts {
		fmt.Fprintf(&b, `<g transform="translate(%d %d)">`+"\n", i%panelsInRow*panelWidth, i/panelsInRow*panelHeight)
		if err := c.draw(&b); err != nil {
			return "", err
		}
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	return b.String(), nil
}

// axis maps values from low to high to pixels from start to end.
type axis struct{ low, high, start, end float64 }

func (a axis) at(value float64) float64 {
	part := 0.5
	if a.high > a.low {
		part = (math.Log(value) - math.Log(a.low)) / (math.Log(a.high) - math.Log(a.low))
	}
	return a.start + part*(a.end-a.start)
}

// draw writes one panel.
func (c chart) draw(b *strings.Builder) error {
	sizes := make([]float64, len(c.Sizes))
	for i, size := range c.Sizes {
		var err error
		if sizes[i], err = strconv.ParseFloat(size, 64); err != nil || sizes[i] <= 0 {
			return fmt.Errorf("plotting %q: size %q is no positive number", c.Title, size)
		}
	}
	low, high := math.Inf(1), 0.0
	for _, l := range c.Lines {
		for _, micros := range l.Micros {
			if micros <= 0 {
				return fmt.Errorf("plotting %q: %s has %v µs, which no logarithmic axis has", c.Title, l.Name, micros)
			}
			low, high = min(low, micros), max(high, micros)
		}
	}
	low, high = math.Pow(10, math.Floor(math.Log10(low))), math.Pow(10, math.Ceil(math.Log10(high)))
	x := axis{sizes[0], sizes[len(sizes)-1], marginLeft, panelWidth - marginRight}
	y := axis{low, high, panelHeight - marginBelow, marginTop}

	label(b, 8, 16, "title", "start", c.Title)
	for micros := low; micros <= high*1.01; micros *= 10 {
		fmt.Fprintf(b, `<line class="grid" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>`+"\n", x.start, x.end, y.at(micros), y.at(micros))
		label(b, x.start-5, y.at(micros)+4, "", "end", duration(micros))
	}
	for i, size := range c.Sizes {
		label(b, x.at(sizes[i]), panelHeight-9, "", "middle", size)
	}
	c.drawLines(b, sizes, x, y)
	return nil
}

// drawLines writes the two lines, each with its name at its end.
func (c chart) drawLines(b *strings.Builder, sizes []float64, x, y axis) {
	var ends [2]float64
	for i, class := range []string{"ours", "peer"} {
		var points []string
		for j, micros := range c.Lines[i].Micros {
			points = append(points, fmt.Sprintf("%.1f,%.1f", x.at(sizes[j]), y.at(micros)))
			ends[i] = y.at(micros)
		}
		fmt.Fprintf(b, `<polyline class="%s" points="%s"/>`+"\n", class, strings.Join(points, " "))
	}
	// Names need a line's height between them.
	const height = 13
	if gap := ends[1] - ends[0]; math.Abs(gap) < height {
		move := (height - math.Abs(gap)) / 2
		if gap < 0 {
			move = -move
		}
		ends[0], ends[1] = ends[0]-move, ends[1]+move
	}
	for i, class := range []string{"ours-text", "peer-text"} {
		label(b, x.end+4, ends[i]+4, class, "start", c.Lines[i].Name)
	}
}

func label(b *strings.Builder, x, y float64, class, anchor, text string) {
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="%s"`, x, y, anchor)
	if class != "" {
		fmt.Fprintf(b, ` class="%s"`, class)
	}
	b.WriteString(">")
	_ = xml.EscapeText(b, []byte(text)) // a Builder never fails
	b.WriteString("</text>\n")
}

// duration is a power of ten of microseconds as people say it.
func duration(micros float64) string {
	switch {
	case micros > 0.999e6:
		return figure(micros/1e6) + " s"
	case micros > 0.999e3:
		return figure(micros/1e3) + " ms"
	}
	return figure(micros) + " µs"
}
