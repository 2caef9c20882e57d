-- Runs busted inside Moonpulse's own host, as a task, so that specs may wait:
--   build/moonpulse lua tests/specs.lua tests/spec/compose/compose_spec.lua
-- Without arguments: all specs. With stock Lua (LUA_PATH and LUA_CPATH set): lua5.4 tests/specs.lua
require "moonpulse" -- protocol files that a spec loads do
local core = require "moonpulse.core"

package.path = "tests/?.lua;tests/helpers/?.lua;" .. package.path
core.run(function()
  local output = os.getenv("BUSTED_OUTPUT") or "plainTerminal"
  require "busted.runner" { standalone = false, output = output, ROOT = { "tests/spec" } }
end)
