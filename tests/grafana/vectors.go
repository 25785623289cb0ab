// vectors.go - renews vectors.json: what the libraries of the Infinity data source make of its answers
//
// Not part of any test; it needs Go 1.26 and the module proxy.  In an empty folder that holds a copy of this file:
//
//	go mod init vectors && go mod tidy && go run . < tests/grafana/vectors.json
//
// prints the frames by name, to be put beside the answers.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/grafana/infinity-libs/lib/go/jsonframer"
)

type vector struct {
	Target struct {
		RefID        string `json:"refId"`
		RootSelector string `json:"root_selector"`
		Format       string
		Columns      []struct{ Selector, Text, Type string }
	}
	Answer json.RawMessage
}

// The plugin's own steps after the answer has come.
func frame(v vector) (*data.Frame, error) {
	options := jsonframer.FramerOptions{
		FramerType: jsonframer.FramerTypeGJSON, FrameName: v.Target.RefID, RootSelector: v.Target.RootSelector}
	for _, c := range v.Target.Columns {
		column := jsonframer.ColumnSelector{Selector: c.Selector, Alias: c.Text, Type: c.Type}
		options.Columns = append(options.Columns, column)
	}
	long, err := jsonframer.ToFrame(string(v.Answer), options)
	if err != nil {
		return nil, err
	}
	long.Meta = nil
	if v.Target.Format == "timeseries" && long.TimeSeriesSchema().Type == data.TimeSeriesTypeLong {
		if wide, err := data.LongToWide(long, &data.FillMissing{Mode: data.FillModeNull}); err == nil {
			wide.Meta = nil
			return wide, nil
		}
	}
	return long, nil
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	var document struct{ Vectors map[string]vector }
	out := map[string]json.RawMessage{}
	check(json.NewDecoder(os.Stdin).Decode(&document))
	for name, v := range document.Vectors {
		f, err := frame(v)
		check(err)
		out[name], err = data.FrameToJSON(f, data.IncludeAll)
		check(err)
	}
	text, err := json.MarshalIndent(out, "", " ")
	check(err)
	fmt.Println(string(text))
}
