// Command ram prints the roles that a deployment needs, as RAM takes them: who
// may assume each, and what each may do, and no more than it does.
//
//	go run ./scripts/ram -account 1234567890123456 -bucket photos
//	go run ./scripts/ram -account 1234567890123456 -bucket photos -out roles
//
// It prints one object of JSON, with a member for each role. With -out it writes
// each policy into a file of a folder instead, beside a script for Alibaba
// Cloud's command line, create.sh, that makes the roles of them. It makes no call
// itself.
//
// At the end it says, on stderr, what UPLOAD_ROLE_ARN has to be.
//
// What no flag gives comes from the environment of the functions: ACCOUNT_ID,
// OSS_BUCKET, UPLOAD_PREFIX and UPLOAD_TAG_KEYS.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"ossupload/scripts/internal/cmdline"
	"ossupload/scripts/internal/deployment"
	"ossupload/scripts/internal/roles"
	"ossupload/shared/settings"
)

func main() { deployment.Main(run, errUsage) }

var errUsage = errors.New("ram cannot begin")

func run(_ context.Context, args []string, lookup settings.Lookup, stdout, stderr io.Writer) error {
	d, out, err := parse(args, lookup)
	if err != nil {
		return err
	}
	all, err := d.Roles()
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if out == "" {
		err = printRoles(stdout, all)
	} else {
		err = writeRoles(out, all, stdout)
	}
	if err == nil && d.UploadRole != "" {
		fmt.Fprintf(stderr, "for .env: UPLOAD_ROLE_ARN=%s\n", d.UploadRole)
	}
	return err
}

func parse(args []string, lookup settings.Lookup) (d roles.Deployment, out string, err error) {
	env := func(name string) string { v, _ := lookup(name); return v }
	flags := flag.NewFlagSet("ram", flag.ContinueOnError)
	flags.StringVar(&d.Account, "account", env("ACCOUNT_ID"), "`id` of the Alibaba Cloud account")
	flags.StringVar(&d.Bucket, "bucket", env("OSS_BUCKET"), "`name` of the bucket")
	flags.StringVar(&d.Prefix, "prefix", cmp.Or(env("UPLOAD_PREFIX"), "uploads/"), "of every key, as UPLOAD_PREFIX")
	flags.StringVar(&d.Names, "names", "ossupload-", "what the names of roles and functions begin with")
	flags.StringVar(&d.LogProject, "log-project", "", "`project` of the log service (default: any of the account)")
	flags.BoolVar(&d.Tags, "tags", env("UPLOAD_TAG_KEYS") != "", "clients may set tags, as UPLOAD_TAG_KEYS allows")
	flags.BoolVar(&d.Delete, "delete", false, "the sweep may delete objects that break their grant")
	alone := flags.Bool("no-upload-role", false, "presign and complete sign with their own roles, without UPLOAD_ROLE_ARN")
	flags.StringVar(&out, "out", "", "`folder` to write files into")
	switch err := cmdline.Parse(flags, args); {
	case errors.Is(err, flag.ErrHelp):
		return d, "", err
	case err != nil:
		return d, "", fmt.Errorf("%w: %w", errUsage, err)
	case flags.NArg() > 0:
		return d, "", fmt.Errorf("%w: unexpected argument %q", errUsage, flags.Arg(0))
	}
	if !*alone {
		d.UploadRole = d.ARN(roles.Upload)
	}
	return d, out, nil
}

// printed is a role as JSON.
type printed struct {
	For         string       `json:"for"`
	Trust       roles.Policy `json:"trust,omitempty"`
	Permissions roles.Policy `json:"permissions"`
}

func printRoles(w io.Writer, all []roles.Role) error {
	byName := map[string]printed{}
	for _, r := range all {
		byName[r.Name] = printed{r.For, r.Trust, r.Permissions}
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	if err := enc.Encode(byName); err != nil {
		return fmt.Errorf("printing the roles: %w", err)
	}
	return nil
}

// script is what makes the roles of the files beside it. The names and the
// files' names have no character that a shell would take for its own.
const script = `#!/usr/bin/env bash
# Makes the roles of this folder, with the command line of Alibaba Cloud:
#
#   aliyun configure && ./create.sh
#
# It stops at the first that is there already.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
`

func writeRoles(dir string, all []roles.Role, stdout io.Writer) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the folder: %w", err)
	}
	var create strings.Builder
	create.WriteString(script)
	for _, r := range all {
		fmt.Fprintf(&create, "\n# %s: %s\n", r.Name, r.For)
		if err := writePolicy(dir, r.Name+".policy.json", r.Permissions); err != nil {
			return err
		}
		fmt.Fprintf(&create, "aliyun ram CreatePolicy --PolicyName %s --PolicyDocument \"$(cat %[1]s.policy.json)\"\n", r.Name)
		if r.Trust == nil {
			continue // for a user or a role that the operator has
		}
		if err := writePolicy(dir, r.Name+".trust.json", r.Trust); err != nil {
			return err
		}
		fmt.Fprintf(&create, "aliyun ram CreateRole --RoleName %s --AssumeRolePolicyDocument \"$(cat %[1]s.trust.json)\"\n", r.Name)
		fmt.Fprintf(&create, "aliyun ram AttachPolicyToRole --PolicyType Custom --PolicyName %s --RoleName %[1]s\n", r.Name)
	}
	if err := os.WriteFile(filepath.Join(dir, "create.sh"), []byte(create.String()), 0o755); err != nil {
		return fmt.Errorf("writing the script: %w", err)
	}
	fmt.Fprintf(stdout, "%d roles and policies are in %s; create.sh makes them\n", len(all), dir)
	return nil
}

func writePolicy(dir, name string, p roles.Policy) error {
	text, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}
