package inventory

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// memberTexts are the attributes that SetMember sets, with what keeps a value from being one.
var memberTexts = map[string]func(string) error{
	"state": checkState, "data_dir": CheckDataDir, "wal_dir": CheckDataDir,
	"address": checkAddress, "ssh_address": checkAddress, "peer_address": checkAddress, "client_address": checkAddress,
}

func checkAddress(s string) error {
	_, err := parseAddress(s)
	return err
}

// SetMember returns src with one attribute of one member set: state, an address, data_dir or wal_dir. The cluster ""
// is the only one. It replaces the text of the attribute, or adds a line behind that of the address; everything else
// stays, comments too, but a block on one line becomes one of several. An *EditError tells the edit that is left to the
// operator: in a block with for_each, even where the member has the value already, and where the value is not a plain
// text. Values of variables from elsewhere are not seen. Other errors are mistakes in the arguments or in src.
func SetMember(src []byte, filename, cluster, member, attribute, value string) ([]byte, error) {
	check, ok := memberTexts[attribute]
	if !ok {
		return nil, fmt.Errorf("set %s of %s: it is none of the texts of a member", attribute, member)
	}
	if err := check(value); err != nil {
		return nil, fmt.Errorf("set %s of %s to %q: %w", attribute, member, clip(value), err)
	}
	block, err := memberIn(src, filename, cluster, member)
	if err != nil {
		return nil, err
	}
	e := memberEdit{block, src, filename, cluster, member, attribute, value}
	if _, repeated := block.attrs["for_each"]; repeated {
		return nil, e.ofOne()
	}
	out, reason := e.made()
	if reason == "" && !e.is(out) {
		reason = fmt.Sprintf("there is no safe place to write the %s of %s", attribute, member)
	}
	if reason != "" {
		return nil, e.byHand(reason, e.text())
	}
	return out, nil
}

// memberBlock is the block that makes a member.
type memberBlock struct {
	*hcl.Block
	file  hcl.Body
	attrs hcl.Attributes
	key   string // of the member, in a block with for_each; "": it is not known
}

// memberIn finds the block of a member.
func memberIn(src []byte, filename, cluster, member string) (memberBlock, error) {
	p := newProblems()
	file, ok := p.parse(src, filename)
	if !ok {
		return memberBlock{}, p.diagnostics().Err()
	}
	block, err := clusterBlock(file.Body, filename, cluster)
	if err != nil {
		return memberBlock{}, err
	}
	where, err := newPlace(filename, Options{})
	if err != nil {
		return memberBlock{}, err
	}
	root, _, _ := file.Body.PartialContent(rootSchema)
	s := p.newScope(where, root.Blocks.OfType("variable"), root.Blocks.OfType("locals"), Options{})
	content, _, _ := block.Body.PartialContent(clusterSchema)
	ssh := where.defaultSSH(block.Labels[0])
	var names []string
	var maybe *memberBlock // makes members that are not known, since for_each has its value from elsewhere
	for _, b := range content.Blocks.OfType("member") {
		inner, _, _ := b.Body.PartialContent(memberSchema)
		found := memberBlock{Block: b, file: file.Body, attrs: inner.Attributes}
		members, sure := s.readMembers(b, &Cluster{SSH: ssh})
		for _, m := range members {
			if names = append(names, m.Name); m.Name == member {
				found.key = m.key
				return found, nil
			}
		}
		key, fits := strings.CutPrefix(member, b.Labels[0]+"-")
		if _, named := inner.Attributes["name"]; !sure && named {
			key, fits = "", true
		}
		if !sure && fits && maybe == nil {
			found.key, maybe = key, &found
		}
	}
	if maybe != nil {
		return *maybe, nil
	}
	return memberBlock{}, fmt.Errorf("choose member %q of cluster %s in %s: it has %s", member, block.Labels[0], filename,
		strings.Join(names, ", "))
}

// memberEdit is one attribute of a member that is to be set.
type memberEdit struct {
	memberBlock
	src                                         []byte
	filename, cluster, member, attribute, value string
}

// made is the source after the edit, or why there is none.
func (e memberEdit) made() (out []byte, reason string) {
	attr, there := e.attrs[e.attribute]
	switch {
	case there && len(attr.Expr.Variables()) > 0:
		return nil, e.origin(attr.Expr)
	case !there && e.attrs["address"] == nil:
		return nil, e.member + " has no address, behind which to write"
	case !there:
		return e.added(e.attrs["address"]), ""
	}
	if old, ok := literalOf(attr.Expr); ok {
		if out, ok := old.replaced(e.src, e.value); ok {
			return out, ""
		}
	}
	return nil, fmt.Sprintf("the %s of %s is not written as plain text", e.attribute, e.member)
}

// origin says where a value comes from that refers to something else.
func (e memberEdit) origin(expr hcl.Expression) string {
	of := fmt.Sprintf("the %s of %s", e.attribute, e.member)
	ref := expr.Variables()[0]
	if !isReference(expr) {
		return of + " is computed"
	}
	name, _ := secondStep(ref)
	if set := definition(e.file, ref.RootName(), name); set != nil {
		return fmt.Sprintf("%s is %s, which is set at %s", of, traversalName(ref), at(set.Range()))
	}
	return fmt.Sprintf("%s is %s, which has no value in this file", of, traversalName(ref))
}

// is reports whether src says of the member what is wanted.
func (e memberEdit) is(src []byte) bool {
	block, err := memberIn(src, e.filename, e.cluster, e.member)
	if err != nil {
		return false
	}
	attr, ok := block.attrs[e.attribute]
	if !ok {
		return false
	}
	got, ok := literalOf(attr.Expr)
	return ok && got.value == e.value
}

// added is src with the attribute in a line of its own behind that of the address, where the layout has lines.
func (e memberEdit) added(address *hcl.Attribute) []byte {
	body, native := e.Body.(*hclsyntax.Body)
	if !native {
		return e.addedJSON(address)
	}
	attr := body.Attributes[address.Name]
	start, end := attr.SrcRange.Start.Byte, attr.SrcRange.End.Byte
	width := attr.EqualsRange.Start.Byte - start - 1 // of the names, where they are aligned
	line := fmt.Sprintf("%-*s = %s", width, e.attribute, quote(e.value))
	if attr.SrcRange.Start.Line == e.DefRange.End.Line {
		return e.unfolded(start, end, line)
	}
	indent, eol := layoutAt(e.src, start)
	end += bytes.IndexByte(e.src[end:], '\n') + 1
	return slices.Concat(e.src[:end], []byte(indent+line+eol), e.src[end:])
}

// unfolded is src with a block that holds nothing but the address, on one line, in several.
func (e memberEdit) unfolded(start, end int, line string) []byte {
	indent, eol := layoutAt(e.src, e.DefRange.Start.Byte)
	inner := eol + indent + "  "
	if strings.HasPrefix(indent, "\t") {
		inner = eol + indent + "\t"
	}
	open := bytes.LastIndexByte(e.src[:start], '{') + 1
	end += bytes.IndexByte(e.src[end:], '}')
	text := inner + string(bytes.TrimSpace(e.src[open:end])) + inner + line + eol + indent
	return slices.Concat(e.src[:open], []byte(text), e.src[end:])
}

func (e memberEdit) addedJSON(address *hcl.Attribute) []byte {
	indent, eol := layoutAt(e.src, address.NameRange.Start.Byte)
	between := "," + eol + indent
	if !bytes.HasSuffix(e.src[:address.NameRange.Start.Byte], []byte("\n"+indent)) { // it shares a line
		between = ", "
	}
	end := address.Expr.Range().End.Byte
	return slices.Concat(e.src[:end], []byte(between+e.text()), e.src[end:])
}

// layoutAt is what the line of a place begins with, and what lines end with.
func layoutAt(src []byte, offset int) (indent, eol string) {
	line := src[bytes.LastIndexByte(src[:offset], '\n')+1 : offset]
	indent, eol = string(line[:len(line)-len(bytes.TrimLeft(line, " \t"))]), "\n"
	if bytes.Contains(src, []byte("\r\n")) {
		eol = "\r\n"
	}
	return indent, eol
}
