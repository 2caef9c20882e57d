--- moonpulse repl: a prompt. It is the shipped experiment of that name (scripts/repl.lua), run as any other.
local cli = require "moonpulse.cli"
local common = require "moonpulse.cli.protocol_argument"
local runs = require "moonpulse.commands.run"

local M = {}

function M.parser()
  local parser = cli.parser("repl",
    "A prompt at the bench: what you type is Lua, run line by line, with stim (the stimulator, connected and "
      .. "not armed), run and mp. Every plan passes the checks of any run, and all of it goes to a record. "
      .. "help says what there is; quit or Ctrl-D disarms and ends; Ctrl-C stops at once. Without --device "
      .. "the stimulator is simulated.",
    "moonpulse repl\n"
      .. "moonpulse repl --rmt 48 --device magventure --port /dev/ttyUSB0\n"
      .. "moonpulse repl --answers FILE --speed max")
  common.add_participant(parser, true)
  runs.add_options(parser)
  return parser
end

function M.run(options)
  options.protocol = "repl"
  return runs.run(options)
end

return M
