package cli

import (
	"strings"

	"github.com/rs/zerolog"
	"github.com/urfave/cli/v2"

	"nym-socks5/config"
)

// logLevel is the setting that counts as soon as it is read again.
const logLevel = "log.level"

// rereadSettings reads the settings again. The level of the log counts at once;
// of what else is not as it began the log says that it counts at the next start.
func (p Program[C]) rereadSettings(c *cli.Context, at place, began C, log zerolog.Logger, level *level) {
	cfg, _, err := p.settings(c, at)
	if err != nil {
		log.Error().Str("reason", message(p.Name, err)).Msg("the settings cannot be used, those before stay in force")
		return
	}
	level.set(config.Common(cfg).Log.Level)
	have, later := values(began), []string(nil)
	for _, s := range config.Settings(cfg) {
		if key := s.Key(); key != logLevel && s.String() != have[key] {
			later = append(later, key)
		}
	}
	if len(later) > 0 {
		log.Warn().Str("settings", strings.Join(later, ", ")).Msg("these settings changed, and count at the next start")
	}
}

// offer lets one reload wait, however many are wanted.
func offer(reload chan<- struct{}) {
	select {
	case reload <- struct{}{}:
	default:
	}
}

// values gives settings as texts, by their keys.
func values(c config.Config) map[string]string {
	all := make(map[string]string)
	for _, s := range config.Settings(c) {
		all[s.Key()] = s.String()
	}
	return all
}
