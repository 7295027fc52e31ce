package main

import (
	"fmt"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

// grown is the name of a figure that a scenario took at several sizes.
var grown = regexp.MustCompile(`^(.+) at (\d+) RSVPs$`)

// picture is one plot of a result: its figures of one unit over the size. Both axes are logarithmic: a figure that does
// not depend on the size is a level line, one that grows with it a diagonal.
type picture struct {
	file, title, unit string
	takes             func(name string) bool
}

var pictures = []picture{
	{"growth-cpu.png", "CPU of one RSVP", "µs", func(string) bool { return true }},
	{"growth-latency-p50.png", "Median time of a request", "ms", func(name string) bool { return strings.HasSuffix(name, "p50") }},
	{"growth-latency-p99.png", "99th percentile of the time of a request", "ms", func(name string) bool { return strings.HasSuffix(name, "p99") }},
}

// draw writes the pictures that a result has figures for, and gives their names.
func draw(r result, folder string) ([]string, error) {
	var files []string
	for _, p := range pictures {
		lines, names := p.lines(r)
		if len(names) == 0 {
			continue
		}
		if err := p.save(filepath.Join(folder, p.file), lines, names); err != nil {
			return files, fmt.Errorf("%s: %w", p.file, err)
		}
		files = append(files, p.file)
	}
	return files, nil
}

// lines are the points by name, in the order of the result.
func (p picture) lines(r result) (map[string]plotter.XYs, []string) {
	lines := map[string]plotter.XYs{}
	var names []string
	for _, row := range r.Rows {
		m := grown.FindStringSubmatch(row.Name)
		if m == nil || row.Unit != p.unit || !p.takes(m[1]) || row.Median <= 0 {
			continue
		}
		size, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			continue
		}
		if lines[m[1]] == nil {
			names = append(names, m[1])
		}
		lines[m[1]] = append(lines[m[1]], plotter.XY{X: size, Y: row.Median})
	}
	return lines, names
}

func (p picture) save(file string, lines map[string]plotter.XYs, names []string) error {
	drawing := plot.New()
	drawing.Title.Text = p.title
	drawing.X.Label.Text, drawing.Y.Label.Text = "RSVPs in the stores", p.unit
	drawing.X.Scale, drawing.Y.Scale = plot.LogScale{}, plot.LogScale{}
	drawing.X.Tick.Marker, drawing.Y.Tick.Marker = plot.TickerFunc(decades), plot.TickerFunc(decades)
	drawing.Legend.Top, drawing.Legend.Left = true, true
	least, most := math.Inf(1), 0.0
	var items []any
	for _, name := range names {
		items = append(items, name, lines[name])
		for _, at := range lines[name] {
			least, most = min(least, at.Y), max(most, at.Y)
		}
	}
	if err := plotutil.AddLinePoints(drawing, items...); err != nil {
		return err
	}
	// Whole decades, and one more on top for the legend.
	drawing.Y.Min, drawing.Y.Max = math.Pow(10, math.Floor(math.Log10(least))), math.Pow(10, math.Ceil(math.Log10(most))+1)
	drawing.Add(plotter.NewGrid())
	return drawing.Save(18*vg.Centimeter, 11*vg.Centimeter, file)
}

// decades marks 1, 10, 100 … and, without a number, 2 and 5 between.
func decades(low, high float64) []plot.Tick {
	var ticks []plot.Tick
	for e := math.Floor(math.Log10(low)); e <= math.Ceil(math.Log10(high)); e++ {
		ten := math.Pow(10, e)
		ticks = append(ticks, plot.Tick{Value: ten, Label: number(ten)}, plot.Tick{Value: 2 * ten}, plot.Tick{Value: 5 * ten})
	}
	return slices.DeleteFunc(ticks, func(t plot.Tick) bool { return t.Value < low || t.Value > high*1.0001 })
}
