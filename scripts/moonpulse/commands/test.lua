--- moonpulse test: specs of drivers and protocols, with the library in reach.
local cli = require "moonpulse.cli"
local lfs = require "lfs"

local M = {}

function M.parser()
  local parser = cli.parser("test",
    "Run specs (files for busted) inside moonpulse, so that they may use the library and wait. Exit "
      .. "status 4 when a test fails, 2 when there is no test.",
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

--- How many tests each file had, as they begin: those that a filter leaves out do not.
local function count_tests()
  local core_of, counts, file = require "busted.core", {}, nil
  package.loaded["busted.core"] = function(...)
    local busted = core_of(...)
    busted.subscribe({ "file", "start" }, function(element)
      file = element.name
      counts[file] = counts[file] or 0
      return nil, true
    end)
    busted.subscribe({ "test", "start" }, function()
      counts[file] = counts[file] + 1
      return nil, true
    end)
    return busted
  end
  return counts
end

--- A path as the runner writes it, or with what is inside of it.
local function is_in(path, file)
  path = path:gsub("/+$", "")
  return file == path or file:gsub("/+", "/"):sub(1, #path + 1) == path:gsub("/+", "/") .. "/"
end

--- Who names a file without a test, or a filter that no test's name matches, has tested nothing. Leaves then.
local function check_counts(options, counts)
  local all = 0
  for _, path in ipairs(options.spec) do
    local found = 0
    for file, count in pairs(counts) do
      found = found + (is_in(path, file) and count or 0)
    end
    all = all + found
    if found == 0 and not options.filter then
      local beside = path:gsub("%.lua$", "") .. "_spec.lua"
      cli.fail("usage", "%s: there is no test in it: %s", path, lfs.attributes(beside, "mode") == "file"
        and ("did you mean %s?"):format(beside)
        or 'a spec has them: describe("mine", function() it("has 600 pulses", ...) end); moonpulse new '
          .. "protocol writes one")
    end
  end
  if all == 0 then
    cli.fail("usage", "--filter %s: no test has a name that matches it", options.filter)
  end
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
  local counts = count_tests()
  local arguments = { [0] = "moonpulse test", "--output=" .. options.output }
  if options.filter then
    arguments[2] = "--filter=" .. options.filter
  end
  arg = table.move(options.spec, 1, #options.spec, #arguments + 1, arguments) -- luacheck: globals arg
  local ok, problem = pcall(runner, { standalone = false })
  if not ok and problem ~= left then
    error(problem, 0)
  end
  if not ok and left.code ~= 0 then
    return cli.status.fault
  end
  check_counts(options, counts)
  return cli.status.ok
end

return M
