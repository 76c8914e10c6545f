package inventory

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/apparentlymart/go-cidr/cidr"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// place is what relative paths, "~/" and env() are resolved against.
type place struct {
	dir  string // absolute
	home string
	env  map[string]string
}

func newPlace(path string, o Options) (place, error) {
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return place{}, fmt.Errorf("find the directory of %s: %w", path, err)
	}
	p := place{dir: dir, home: o.Home, env: map[string]string{}}
	for _, entry := range o.Env {
		if name, value, ok := strings.Cut(entry, "="); ok {
			p.env[name] = value
		}
	}
	return p, nil
}

// path makes s absolute.
func (p place) path(s string) (string, error) {
	switch rest, home := strings.CutPrefix(s, "~/"); {
	case s == "":
		return "", errors.New("the path is empty")
	case strings.ContainsRune(s, 0):
		return "", errors.New("the path holds a zero byte")
	case home && p.home == "":
		return "", fmt.Errorf("the home directory that %q starts from is not known", s)
	case home:
		return filepath.Join(p.home, rest), nil
	case strings.HasPrefix(s, "~"):
		return "", fmt.Errorf("%q: only \"~/\" is understood, not the home of another user", s)
	case filepath.IsAbs(s):
		return filepath.Clean(s), nil
	}
	return filepath.Join(p.dir, s), nil
}

// functions are the names that expressions may call.
func functions(p place) map[string]function.Function {
	return map[string]function.Function{
		"abs": stdlib.AbsoluteFunc, "ceil": stdlib.CeilFunc, "floor": stdlib.FloorFunc,
		"max": stdlib.MaxFunc, "min": stdlib.MinFunc,

		"format": stdlib.FormatFunc, "join": stdlib.JoinFunc, "split": stdlib.SplitFunc, "replace": stdlib.ReplaceFunc,
		"lower": stdlib.LowerFunc, "upper": stdlib.UpperFunc, "title": stdlib.TitleFunc,
		"trim": stdlib.TrimFunc, "trimprefix": stdlib.TrimPrefixFunc, "trimsuffix": stdlib.TrimSuffixFunc,
		"trimspace": stdlib.TrimSpaceFunc, "chomp": stdlib.ChompFunc, "substr": stdlib.SubstrFunc,
		"regex": stdlib.RegexFunc,

		"coalesce": stdlib.CoalesceFunc, "compact": stdlib.CompactFunc, "concat": stdlib.ConcatFunc,
		"contains": stdlib.ContainsFunc, "distinct": stdlib.DistinctFunc, "element": stdlib.ElementFunc,
		"flatten": stdlib.FlattenFunc, "keys": stdlib.KeysFunc, "length": lengthFunc, "lookup": stdlib.LookupFunc,
		"merge": stdlib.MergeFunc, "range": stdlib.RangeFunc, "reverse": stdlib.ReverseListFunc,
		"slice": stdlib.SliceFunc, "sort": stdlib.SortFunc, "values": stdlib.ValuesFunc, "zipmap": stdlib.ZipmapFunc,

		"tobool": stdlib.MakeToFunc(cty.Bool), "tonumber": stdlib.MakeToFunc(cty.Number),
		"tostring": stdlib.MakeToFunc(cty.String), "tolist": stdlib.MakeToFunc(cty.List(cty.DynamicPseudoType)),
		"tomap": stdlib.MakeToFunc(cty.Map(cty.DynamicPseudoType)),
		"toset": stdlib.MakeToFunc(cty.Set(cty.DynamicPseudoType)),

		"cidrhost": cidrHostFunc, "cidrsubnet": cidrSubnetFunc,
		"jsondecode": stdlib.JSONDecodeFunc, "csvdecode": stdlib.CSVDecodeFunc,
		"env": envFunc(p), "file": fileFunc(p),
	}
}

// lengthFunc also counts the characters of a string.
var lengthFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowDynamicType: true}},
	Type:   function.StaticReturnType(cty.Number),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if args[0].Type() == cty.String {
			return stdlib.Strlen(args[0])
		}
		if args[0].Type().IsObjectType() {
			return cty.NumberIntVal(int64(len(args[0].Type().AttributeTypes()))), nil
		}
		return stdlib.Length(args[0])
	},
})

func envFunc(p place) function.Function {
	return function.New(&function.Spec{
		Description: "The value of an environment variable; a second argument is used when it is not set.",
		Params:      []function.Parameter{{Name: "name", Type: cty.String}},
		VarParam:    &function.Parameter{Name: "default", Type: cty.String},
		Type:        function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			name := args[0].AsString()
			value, set := p.env[name]
			switch {
			case len(args) > 2:
				return cty.NilVal, errors.New("env takes a name and at most one default")
			case set:
				return cty.StringVal(value), nil
			case len(args) == 2:
				return args[1], nil
			}
			return cty.NilVal, function.NewArgErrorf(0,
				"the environment variable %s is not set; env(%q, \"…\") gives it a default", name, name)
		},
	})
}

func fileFunc(p place) function.Function {
	return function.New(&function.Spec{
		Description: "The text of a file, relative to the inventory.",
		Params:      []function.Parameter{{Name: "path", Type: cty.String}},
		Type:        function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			path, err := p.path(args[0].AsString())
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			src, err := readRegular(path)
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			if !utf8.Valid(src) {
				return cty.NilVal, function.NewArgErrorf(0, "%s is not UTF-8 text", path)
			}
			return cty.StringVal(string(src)), nil
		},
	})
}

// readRegular reads a file of at most 1 MiB; devices and pipes, which might
// never end, are refused before they are opened.
func readRegular(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read %s: not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read file: %w", err)
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read file: %w", err)
	}
	if len(src) > maxBytes {
		return nil, fmt.Errorf("read %s: larger than 1 MiB", path)
	}
	return src, nil
}

var cidrHostFunc = function.New(&function.Spec{
	Description: "The address with a number inside a network; negative numbers count from its end.",
	Params:      []function.Parameter{{Name: "prefix", Type: cty.String}, {Name: "number", Type: cty.Number}},
	Type:        function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		network, err := parsePrefix(args[0])
		if err != nil {
			return cty.NilVal, function.NewArgError(0, err)
		}
		number, accuracy := args[1].AsBigFloat().Int(nil)
		if accuracy != 0 {
			return cty.NilVal, function.NewArgErrorf(1, "the number is not whole")
		}
		ip, err := cidr.HostBig(network, number)
		if err != nil {
			return cty.NilVal, function.NewArgErrorf(1, "%s has no such address: %w", network, err)
		}
		return cty.StringVal(ip.String()), nil
	},
})

var cidrSubnetFunc = function.New(&function.Spec{
	Description: "The subnet with a number, newbits longer than the prefix.",
	Params: []function.Parameter{
		{Name: "prefix", Type: cty.String}, {Name: "newbits", Type: cty.Number}, {Name: "number", Type: cty.Number},
	},
	Type: function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		network, err := parsePrefix(args[0])
		if err != nil {
			return cty.NilVal, function.NewArgError(0, err)
		}
		bits, accuracy := args[1].AsBigFloat().Int64()
		if accuracy != 0 || bits < 0 || bits > 128 {
			return cty.NilVal, function.NewArgErrorf(1, "newbits is a whole number from 0 to 128")
		}
		number, exact := args[2].AsBigFloat().Int(nil)
		if exact != 0 || number.Sign() < 0 {
			return cty.NilVal, function.NewArgErrorf(2, "the number is whole and not negative")
		}
		subnet, err := cidr.SubnetBig(network, int(bits), number)
		if err != nil {
			return cty.NilVal, function.NewArgErrorf(2, "%s has no such subnet: %w", network, err)
		}
		return cty.StringVal(subnet.String()), nil
	},
})

func parsePrefix(v cty.Value) (*net.IPNet, error) {
	_, network, err := net.ParseCIDR(v.AsString())
	if err != nil {
		return nil, fmt.Errorf("%q is not a network such as 10.0.0.0/24 or 2001:db8::/64", clip(v.AsString()))
	}
	return network, nil
}
