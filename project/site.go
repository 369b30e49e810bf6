package project

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"tiffin/engine"
	"tiffin/project/envfile"
	"tiffin/project/paths"
)

// The environment variables that stand for flags.
const (
	envFile           = "COMPOSE_FILE"
	envPathSeparator  = "COMPOSE_PATH_SEPARATOR"
	envProjectName    = "COMPOSE_PROJECT_NAME"
	envProfiles       = "COMPOSE_PROFILES"
	envEnvFiles       = "COMPOSE_ENV_FILES"
	envDisableEnvFile = "COMPOSE_DISABLE_ENV_FILE"
	envInstance       = "TIFFIN_INSTANCE"
)

// site is where a project is: its files, its directory and its environment.
type site struct {
	cwd   string
	dir   string   // the project directory
	files []string // absolute, or "-"
	// chosenEnvFiles are those that the user named, not the default .env.
	chosenEnvFiles []string
	env            map[string]string
	envFiles       []string // those that were read, first those whose variables win
	profiles       []string
	name           string
	instance       string // "": the project itself
	fetched        remotes
}

// locate finds the project. The order is docker compose's: the .env of the directory
// at hand comes first, since it may say which files there are; then the .env of the
// project directory that follows from them. The process's environment always wins.
func locate(o Options, fetched remotes, warn func(string)) (*site, error) {
	s := &site{cwd: o.WorkingDir, env: environ(o.Environ), fetched: fetched}
	if s.cwd == "" {
		wd, err := os.Getwd()
		if err != nil {
			return nil, fmt.Errorf("find the working directory: %w", err)
		}
		s.cwd = wd
	}
	if _, ok := s.env["PWD"]; !ok {
		s.env["PWD"] = s.cwd
	}
	chosen := o.EnvFiles
	if len(chosen) == 0 {
		chosen = split(s.env[envEnvFiles])
	}
	for _, f := range chosen {
		s.chosenEnvFiles = append(s.chosenEnvFiles, s.abs(f))
	}
	for _, f := range o.Files {
		path, err := s.fetched.local(s.abs(f), "")
		if err != nil {
			return nil, err
		}
		s.files = append(s.files, path)
	}
	s.dir = s.projectDir(o.ProjectDir)
	disabled, err := strconv.ParseBool(s.env[envDisableEnvFile])
	if v := s.env[envDisableEnvFile]; err != nil && v != "" {
		return nil, invalid("%s: %q is no truth value", envDisableEnvFile, v)
	}
	useDefault := !disabled && len(s.chosenEnvFiles) == 0
	if err := s.readEnvFiles(useDefault); err != nil {
		return nil, err
	}
	if err := s.findFiles(warn); err != nil {
		return nil, err
	}
	before := s.dir
	if s.dir = s.projectDir(o.ProjectDir); s.dir != before && useDefault {
		if err := s.readEnvFiles(useDefault); err != nil {
			return nil, err
		}
	}
	if s.profiles = o.Profiles; len(s.profiles) == 0 {
		s.profiles = split(s.env[envProfiles])
	}
	return s, nil
}

func (s *site) abs(path string) string {
	if path == "-" || filepath.IsAbs(path) || paths.IsRemote(path) {
		return path
	}
	return filepath.Join(s.cwd, path)
}

func (s *site) projectDir(asked string) string {
	if asked != "" {
		return s.abs(asked)
	}
	for _, f := range s.files {
		if f != "-" {
			return filepath.Dir(f)
		}
	}
	return s.cwd
}

// findFiles settles which Compose files there are, if no flag has said so. None is no
// error yet: some commands only need a name.
func (s *site) findFiles(warn func(string)) error {
	if len(s.files) > 0 {
		return nil
	}
	list, ok := s.env[envFile]
	if !ok {
		s.files = discover(s.dir, warn)
		return nil
	}
	sep := s.env[envPathSeparator]
	if sep == "" {
		sep = string(os.PathListSeparator)
	}
	for f := range strings.SplitSeq(list, sep) {
		path, err := s.fetched.local(s.abs(f), envFile)
		if err != nil {
			return err
		}
		if _, err := os.Stat(path); err != nil && path != "-" {
			return engine.Hint(
				notFound("%s names %q: %w", envFile, f, plain(err)),
				"Unset "+envFile+", or correct it; it may also be set in a .env file.")
		}
		s.files = append(s.files, path)
	}
	return nil
}

// readEnvFiles adds variables that are not set yet.
func (s *site) readEnvFiles(useDefault bool) error { //nolint:revive // the flag is a fact about the project, not a choice of the caller
	files := s.chosenEnvFiles
	if useDefault {
		path := filepath.Join(s.dir, ".env")
		if !isFile(path) {
			return nil
		}
		files = []string{path}
	}
	for _, f := range files {
		if err := checkEnvFile(f); err != nil {
			return err
		}
	}
	vars, err := envfile.Files(s.env, files)
	if err != nil {
		return dotenvError(err)
	}
	s.envFiles = append(s.envFiles, backward(files)...)
	for k, v := range vars {
		if _, ok := s.env[k]; !ok {
			s.env[k] = v
		}
	}
	return nil
}

func backward(list []string) []string {
	out := slices.Clone(list)
	slices.Reverse(out)
	return out
}

func isFile(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular()
}

// checkEnvFile gives the usual errors our words.
func checkEnvFile(path string) error {
	st, err := os.Stat(path)
	switch {
	case err != nil:
		return notFound("env file %s: %w", path, plain(err))
	case st.IsDir():
		return invalid("env file %s is a directory", path)
	case st.Size() > maxFileSize:
		return tooLarge(path, st.Size())
	default:
		return nil
	}
}

// dotenvError moves the line that the parser found behind the path.
func dotenvError(err error) error {
	text := strings.TrimPrefix(err.Error(), "failed to read ")
	return invalid("%s", strings.Replace(text, ": line ", ":", 1))
}

// environ reads KEY=value lines.
func environ(lines []string) map[string]string {
	out := make(map[string]string, len(lines))
	for _, line := range lines {
		if k, v, ok := strings.Cut(line, "="); ok {
			out[k] = v
		}
	}
	return out
}

// split cuts a list with commas; empty pieces do not count.
func split(list string) []string {
	var out []string
	for piece := range strings.SplitSeq(list, ",") {
		if piece = strings.TrimSpace(piece); piece != "" {
			out = append(out, piece)
		}
	}
	return out
}
