package quorum

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/clusterup/clusterup/facts"
)

func TestDowngrade(t *testing.T) {
	f := &fake{}
	c, _ := oneMember(t, f)
	for _, action := range []DowngradeAction{ValidateDowngrade, EnableDowngrade, CancelDowngrade} {
		if err := c.Downgrade(t.Context(), epIPv4, action, "3.5"); err != nil {
			t.Error(err)
		}
	}
	err := c.Downgrade(t.Context(), epIPv4, "", "3.5")
	if want := " downgrade through " + epIPv4 + `: no such action: ""`; errorText(err) != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if diff := cmp.Diff([]string{"VALIDATE 3.5", "ENABLE 3.5", "CANCEL 3.5"}, f.told); diff != "" {
		t.Error(diff)
	}
}

func TestDowngradeErrors(t *testing.T) {
	for _, tc := range []struct{ answer, kind error }{
		{rpctypes.ErrGRPCInvalidDowngradeTargetVersion, facts.ErrDowngradeTarget},
		{rpctypes.ErrGRPCWrongDowngradeVersionFormat, facts.ErrDowngradeTarget},
		{rpctypes.ErrGRPCDowngradeInProcess, nil},
		{rpctypes.ErrGRPCTimeout, nil},
		{rpctypes.ErrGRPCClusterVersionUnavailable, nil},
	} {
		c, _ := oneMember(t, &fake{fail: map[string]error{"Downgrade": tc.answer}})
		err := c.Downgrade(t.Context(), epIPv4, EnableDowngrade, "3.5")
		var e *Error
		if !errors.As(err, &e) || !errors.Is(e.Kind, tc.kind) {
			t.Errorf("%v: got %v, want %v", tc.answer, err, tc.kind)
		}
	}
}
