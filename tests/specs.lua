-- Runs busted inside Moonpulse's own host, as a task, so that specs may wait:
--   build/moonpulse lua tests/specs.lua tests/spec/compose/compose_spec.lua
-- Without arguments: all specs. With stock Lua (LUA_PATH and LUA_CPATH set): lua5.4 tests/specs.lua
require "moonpulse" -- protocol files that a spec loads do
local core = require "moonpulse.core"

package.path = "tests/?.lua;tests/helpers/?.lua;" .. package.path
package.preload["busted.environment"] = function() return require "spec_globals" end

--- The same once more, with folders of its own for records and their index: no spec writes where the user's
--- are, whoever starts it (tests/run.sh has set them).
local function in_own_folders()
  local program, words = core.executable(), {}
  for i, word in ipairs(arg) do
    words[i] = "'" .. word:gsub("'", "'\\''") .. "'"
  end
  local _, how, code = os.execute(([[d=$(mktemp -d) && MOONPULSE_RUNS=$d/records XDG_CACHE_HOME=$d/cache \
    '%s' %s '%s' %s; s=$?; rm -rf "$d"; exit $s]]):format(program, program:find "/moonpulse$" and "lua" or "",
    arg[0], table.concat(words, " ")))
  os.exit(how == "signal" and 128 + code or code, true)
end

if not os.getenv "MOONPULSE_RUNS" then
  in_own_folders()
end
collectgarbage("setpause", 400) -- what a case leaves is short-lived
core.run(function()
  local output = os.getenv("BUSTED_OUTPUT") or "plainTerminal"
  require "busted.runner" { standalone = false, output = output, ROOT = { "tests/spec" } }
end)
