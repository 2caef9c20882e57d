--- The options of run that a command takes which makes a run from the folder of another one.
local default_place = require "moonpulse.record.default_place"
local lfs = require "lfs"
local records = require "moonpulse.cli.records_option"
local streams = require "moonpulse.experiment.stream_in"

local M = {}

--- Add them.
---@param parser table of argparse; changed
---@param words { out: string, device: string, port: string, speed: string, threshold: string } what is said
---   of those that mean something of their own here
function M.add(parser, words)
  records.add(parser, words.out)
  parser:option("--device", words.device):argname("NAME")
  parser:option("--device-option", "A setting of the driver, besides those of the run; with --device none "
    .. "of the run's."):argname("KEY=VALUE"):count("*")
  parser:option("--port", words.port):argname("PORT")
  parser:option("--speed", words.speed):argname("N|max")
  parser:option("--trigger", "As for run; on a stimulator it is not taken over."):argname("WHERE")
  parser:option("--codes", "As for run, or none; on a stimulator, and in real time, it is not taken over.")
    :argname("PATH[,...]")
  parser:option("--trigger-in", "On a stimulator: the port whose bytes run:wait_trigger waits for.")
    :argname("PATH")
  parser:option("--trigger-baud", "Its speed."):argname("BAUD")
  parser:option("--start-on", "On a stimulator, as for run."):argname("byte=N,...")
  parser:option("--timeout", "How long --start-on waits."):argname("SECONDS")
  parser:option("--stop-line", "As for run."):argname("LINE")
  for _, each in ipairs { { "participant", "CODE" }, { "operator", "CODE" }, { "lab", "FILE" },
    { "preflight", "FILE" }, { "meta", "FILE.json" }, { "coil", "NAME" }, { "threshold", "WHERE" },
    { "beyond-guidelines", "REASON" }, { "approval", "REF" }, { "sign", "KEY" } } do
    parser:option("--" .. each[1], "As for run."):argname(each[2])
  end
  for _, name in ipairs { "rmt", "amt" } do
    parser:option("--" .. name, words.threshold):argname("N")
  end
  parser:flag("--unconfirmed", "As for run; on a stimulator it is not taken over.")
  parser:flag("--share-with-group", "As for run.")
  parser:flag("--xdf", "As for run.")
  parser:flag("--real-pty", "As for run.")
end

--- Paths as they are from any folder: the run is made in another one.
---@param options table of the command; changed
function M.settle_paths(options)
  for _, name in ipairs { "out", "lab", "preflight", "meta", "sign", "answers" } do
    local is_path = options[name]
      and not (name == "answers" and (options[name] == "events" or streams.is_path(options[name])))
    options[name] = is_path and default_place.absolute(options[name]) or options[name]
  end
  local box, settings = (options.codes or ""):match "^([^,]+)(.*)$"
  if box and lfs.attributes(box, "mode") and box:find("/", 1, true) then
    options.codes = default_place.absolute(box) .. settings
  end
  for _, name in ipairs { "port", "trigger_in" } do
    local port = options[name]
    options[name] = port and lfs.attributes(port, "mode") and default_place.absolute(port) or port
  end
  local kind, path = (options.device or ""):match("^(sim:)(.*%.lua)$")
  path = path or (options.device or ""):match("^.*%.lua$")
  options.device = path and (kind or "") .. default_place.absolute(path) or options.device
end

return M
