--- The command line: finds the subcommand, turns failures into messages and exit statuses.
local blame = require "moonpulse.text.author_line"
local core = require "moonpulse.core"
local escapes = require "moonpulse.text.escapes"
local no_exit = require "moonpulse.cli.no_exit"
local notes = require "moonpulse.text.notes"
local refusals = require "moonpulse.text.refusal"

local M = {}

M.status = refusals.status

local commands = { "run", "repl", "ctl", "check", "show", "methods", "events", "plot", "compile",
  "runs", "recover", "verify", "sign", "note", "diff", "rerun", "resume", "export", "check-bids",
  "import", -- to here: a run's record
  "sim", "devices", "frame", "decode", "ports", "doctor", "protocols", "new", "test", "bench", "explore" }

--- Leave a command with a message for stderr; code is a key of M.status.
M.fail = refusals.raise

local asked -- the command's name, where JSON was asked for

--- That the command failed, for programs.
local function say_as_json(code, status, message)
  if asked then
    require("moonpulse.cli.as_json").failed(asked, code, status, message) -- loaded for those who ask for it
  end
end

--- An argparse parser that prints usage errors in our way and exits 2.
---@param name string
---@param description string
---@param example string
function M.parser(name, description, example)
  local argparse = require "argparse"
  local parser = argparse("moonpulse " .. name, description,
    "Example:\n   " .. example:gsub("\n", "\n   "))
  parser:usage_max_width(96):help_max_width(96)
  function parser.error(_, message)
    local line = message:gsub("%s*\n%s*", " ") -- its suggestions come on a line of their own
    local option = line:match "^unknown option '(%-%-[%w-]+)'"
    local others = option and M.commands_with(option) or {}
    if #others > 0 then
      line = ("there is no option %s: it is one of moonpulse %s"):format(option, table.concat(others, ", "))
    end
    line = ("%s (see moonpulse %s --help)"):format(escapes.shown(line), name)
    io.stderr:write(("moonpulse %s: %s\n"):format(name, line))
    say_as_json("usage", M.status.usage, line)
    os.exit(M.status.usage, true)
  end
  return parser
end

local names = { table.unpack(commands) }
names[#names + 1] = "lua" -- has no options of its own

local summaries = {
  run = "run a protocol on a stimulator, simulated by default",
  ctl = "follow and stop a run that goes on (run --events)",
  repl = "a prompt: try a stimulator and plans line by line, simulated by default",
  check = "a protocol against the device's limits, the guidelines and the lab's own",
  runs = "the runs that there are, a participant's course, what comes next and when",
  recover = "the record of a run that was killed",
  rerun = "the same again, from the folder of a run alone",
  resume = "go on with a run that broke off: nothing is given twice",
  note = "what the operator has to say of a run that is over",
  diff = "what differs between two runs or two plans",
  verify = "is the record of a run as the run left it?",
  sign = "sign the record of a run, so that others can see who sealed it",
  show = "a protocol, plan file or experiment in words: structure, pulses, durations",
  methods = "sentences for the paper, and reporting checklists, of a protocol or a run",
  events = "every pulse of a protocol as a table (TSV)",
  plot = "a protocol as a picture: session, train, burst",
  compile = "a protocol as a signed plan file, for another lab",
  sim = "a simulator that any program can open",
  devices = "the drivers, what each can do, what it was proven on",
  frame = "the bytes of a device's command, in hex",
  decode = "what bytes from or to a device mean",
  ports = "the serial ports of this machine",
  doctor = "what on this host delays pulses, and the command that mends it",
  protocols = "the shipped protocols",
  new = "the files of a new driver or protocol, which work as they are",
  test = "run the specs of a driver or protocol",
  bench = "how exact and how fast on this machine, against other ways",
  explore = "thousands of runs with everything going wrong, on simulators, and what must hold of them",
  export = "runs as a BIDS dataset (NIBS-BIDS), an RO-Crate, a provenance statement, XDF",
  ["check-bids"] = "the stimulation of a BIDS dataset against the draft and what was delivered",
  import = "a row of a BIDS dataset as a plan file",
  lua = "a Lua file with the library in reach",
}
local lua_help = [[
Usage: moonpulse lua FILE [ARGS]

Run a Lua file with the library in reach: it finds require "moonpulse", whatever the folder, and its arguments
in arg and in "...". It is a program and may do all that you may; nothing of it is in a sandbox.

Example:
   moonpulse lua tools/count.lua itbs600
]]

local function help(file)
  file:write("Usage: moonpulse COMMAND [ARGUMENTS]\n\n"
    .. "A sequencer for non-invasive brain stimulation. Research software, not a medical device.\n\n"
    .. "Commands:\n")
  for _, name in ipairs(names) do
    file:write(("   %-10s %s\n"):format(name, summaries[name]))
  end
  file:write("\nmoonpulse COMMAND --help says more. Example:\n   moonpulse run itbs600 --amt 50\n\n"
    .. "Exit status: 0 success, 2 bad usage, 3 a limit refused the run, 4 a device fault, a BAD finding\n"
    .. "of the doctor, an error of check-bids or a test that fails, 5 stopped; of explore 1: something\n"
    .. "was found; of verify 1: something differs; of diff 1: what was given differs; of rerun 1: the new\n"
    .. "run differs from the old one. 6 (check, verify): not all could be checked.\n")
end

--- moonpulse lua FILE [ARGS]: a Lua file with the library in reach, for tests and tools.
local function run_file(arguments)
  local path = arguments[1]
  if path == "--help" or path == "-h" then
    io.stdout:write(lua_help)
    return M.status.ok
  elseif not path then
    M.fail("usage", "lua: the name of a file is missing (see moonpulse lua --help)")
  end
  local chunk, message = loadfile(path)
  if not chunk then
    M.fail("usage", "%s", message)
  end
  arg = { [0] = path, table.unpack(arguments, 2) } -- luacheck: globals arg
  return chunk(table.unpack(arg)) or 0
end

--- A value that begins like an option ("--rmt -5") goes with its option, which says what it takes.
local function with_values(arguments)
  local list = {}
  for _, text in ipairs(arguments) do
    if text:find("^%-%.?%d") and (list[#list] or ""):find("^%-%-[%w-]+$") then
      list[#list] = list[#list] .. "=" .. text
    else
      list[#list + 1] = text
    end
  end
  return list
end

local function command_of(name)
  return require("moonpulse.commands." .. name:gsub("-", "_"))
end

local function has_option(parser, name)
  for _, option in ipairs(parser._options) do
    for _, alias in ipairs(option._aliases) do
      if alias == name then
        return true
      end
    end
  end
  return false
end

--- The commands that have an option.
---@param option string "--trigger"
---@return string[]
function M.commands_with(option)
  local list = {}
  for _, name in ipairs(commands) do
    if has_option(command_of(name).parser(), option) then
      list[#list + 1] = name
    end
  end
  return list
end

--- "-amt" is "--amt" with a dash too few: argparse takes its letters apart. parser: whose options are known.
local function check_dashes(parser, name, arguments)
  for _, text in ipairs(arguments) do
    local word = text:match("^%-(%a[%w-]+)")
    if word and has_option(parser, "--" .. word) then
      M.fail("usage", "%s: there is no option %s: write --%s (see moonpulse %s --help)", name, text, word,
        name)
    end
  end
end

--- The sentence that refuses an option, or a key, with two values: which was meant nobody can tell.
---@param name string as it is written
---@param first string
---@param second string
---@return string
function M.given_twice(name, first, second)
  return ("%s is given twice, with %s and with %s: leave one of them out"):format(name, first, second)
end

--- What argparse makes of a text: the value, or nil and why not.
local function convert(converter, text)
  if type(converter) == "function" then
    return converter(text)
  elseif type(converter) == "table" then
    return converter[text]
  end
  return text
end

--- A converter that refuses two values of an option that takes one: the last one would win without a word.
--- The same value twice is no question.
local function given_once(option, converter)
  local before, before_text
  return function(text)
    local value, message = convert(converter, text)
    if value == nil then
      return nil, message or ("malformed argument '%s'"):format(text)
    elseif before_text and before_text ~= text and (type(value) == "table" or before ~= value) then
      return nil, M.given_twice(option._name, before_text, text)
    end
    before, before_text = value, text
    return value
  end
end

--- A converter that refuses a value of nothing, which is what a shell makes of a variable that is not set: as
--- a path it would be the folder that one is in.
local function given_something(name, may_be_left_out, converter)
  return function(text)
    if not text:find("%S") then
      return nil, ("the value of %s is empty: is a variable of the shell not set? Give one%s"):format(name,
        may_be_left_out and (", or take %s away"):format(name) or "")
    end
    local value, message = convert(converter, text)
    return value, value == nil and (message or ("malformed argument '%s'"):format(text)) or nil
  end
end

--- Have a parser refuse what nobody can have meant, whichever option or argument it is.
local function check_values(parser)
  for _, option in ipairs(parser._options) do
    if option._maxargs > 0 then
      local once = option._maxcount == 1 and option._maxargs == 1
      option._convert = given_something(option._name, option._mincount == 0,
        once and given_once(option, option._convert) or option._convert)
    end
  end
  for _, argument in ipairs(parser._arguments) do
    local name = type(argument._argname) == "string" and argument._argname or argument._name
    argument._convert = given_something(name, argument._minargs == 0, argument._convert)
  end
end

local function code_of(status)
  for code, each in pairs(M.status) do
    if each == status then
      return code
    end
  end
end

--- What went wrong as it is told, and the exit status. Names and texts of somebody else may be in it: what
--- they write on lines of their own stands there as no line of ours does.
---@param problem any
---@return string message
---@return integer status
function M.explain(problem)
  local status = M.status.usage
  if type(problem) == "table" and rawget(problem, "message") then
    status = M.status[rawget(problem, "code")] or M.status.fault
    problem = rawget(problem, "message")
  end
  local text = escapes.shown(type(problem) == "string" and problem or blame.text(problem), true)
  return text:gsub("\n", "\n    "), status
end

-- what never has to be on time; a run in virtual time says so itself
local never_on_time = { check = true, ["check-bids"] = true, compile = true, diff = true, events = true,
  explore = true, export = true, import = true, methods = true, plot = true, protocols = true, recover = true,
  runs = true, show = true, sign = true, verify = true }

local function dispatch(name, arguments)
  if name == nil or name == "help" or name == "--help" or name == "-h" then
    help(name and io.stdout or io.stderr)
    return name and M.status.ok or M.status.usage
  elseif name == "--version" then
    print("moonpulse " .. core.version)
    return M.status.ok
  elseif name == "lua" then
    return run_file(arguments)
  end
  for _, known in ipairs(commands) do
    if known == name then
      if never_on_time[name] then
        core.large_pages()
      end
      local command = command_of(name)
      local parser = command.parser()
      check_dashes(parser, name, arguments)
      check_values(parser)
      local options = parser:parse(with_values(arguments))
      notes.listen(function(text)
        io.stderr:write("moonpulse: note: ", escapes.shown(text), "\n")
      end)
      local guard <close> = no_exit.guard() -- luacheck: ignore 211
      return core.run(command.run, options) or M.status.ok
    end
  end
  local meant = require "moonpulse.text.meant" -- for a refusal only
  local question = meant.question(meant.near(name, names, 2))
  M.fail("usage", "there is no command %q; %sknown: %s (see moonpulse --help)", name,
    question and question .. " " or "", table.concat(names, ", "))
end

--- Parse words that a command has put together of its own options for another command. Raises a refusal.
---@param parser table of argparse
---@param words string[]
---@return table options
function M.parse(parser, words)
  function parser.error(_, message)
    M.fail("usage", "%s", message)
  end
  return parser:parse(words)
end

--- Run the command named by the arguments; the exit status.
---@param arguments string[] with the program's name at 0
---@return integer
function M.main(arguments)
  local name = arguments[1]
  asked = nil
  for _, text in ipairs(arguments) do
    asked = asked or text == "--json" and (name or "") or nil
  end
  if asked then
    require("moonpulse.cli.as_json").begin()
  end
  local ok, result = xpcall(dispatch, function(problem)
    if type(problem) ~= "string" then
      return problem
    end
    return os.getenv("MOONPULSE_TRACE") and debug.traceback(problem, 2) or problem
  end, name, { table.unpack(arguments, 2) })
  if ok then
    return result
  end
  core.phase "closing"
  local message, status = M.explain(result)
  io.stdout:flush()
  local text = ("moonpulse: %s\n"):format(message)
  io.stderr:write(text)
  core.last_words(text) -- a terminal that was held has not seen it
  say_as_json(code_of(status), status, message)
  return status
end

return M
