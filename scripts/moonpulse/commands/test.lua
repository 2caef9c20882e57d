--- moonpulse test: specs of drivers and protocols, with the library in reach.
local cli = require "moonpulse.cli"
local lfs = require "lfs"

local M = {}

function M.parser()
  local parser = cli.parser("test",
    "Run specs (files for busted) inside moonpulse, so that they may use the library and wait. Exit "
      .. "status 4 when a test fails.",
    "moonpulse test ./mybox_spec.lua\nmoonpulse test ./mybox_spec.lua --filter 'decode'")
  parser:argument("spec", "A spec, or a folder of *_spec.lua."):args("+"):argname("FILE")
  parser:option("--filter", "Only tests whose names match this Lua pattern."):argname("PATTERN")
  parser:option("--output", "How to print: plainTerminal (skips with their reason), gtest (every test by "
    .. "name), TAP or junit.")
    :convert(function(text)
      return not text:find("%c") and text or nil, "it is the name of a format, like gtest or TAP"
    end)
    :default("plainTerminal"):argname("FORMAT")
  return parser
end

--- The runner of busted, which leaves through an error of ours where it would end the process.
local function load_runner()
  local ok, compatibility = pcall(require, "busted.compatibility")
  if not ok then
    cli.fail("usage", "the test runner busted is not installed: sudo apt-get install lua-busted")
  end
  local left = {}
  compatibility.exit = function(code)
    left.code = code
    error(left, 0)
  end
  return require "busted.runner", left
end

function M.run(options)
  for _, path in ipairs(options.spec) do
    if not lfs.attributes(path, "mode") then
      cli.fail("usage", "there is no spec %s", path)
    end
  end
  local runner, left = load_runner()
  local arguments = { [0] = "moonpulse test", "--output=" .. options.output }
  if options.filter then
    arguments[2] = "--filter=" .. options.filter
  end
  arg = table.move(options.spec, 1, #options.spec, #arguments + 1, arguments) -- luacheck: globals arg
  local ok, problem = pcall(runner, { standalone = false })
  if not ok and problem ~= left then
    error(problem, 0)
  end
  return not ok and left.code ~= 0 and cli.status.fault or cli.status.ok
end

return M
