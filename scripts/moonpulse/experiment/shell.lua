--- os.execute, os.exit and io.popen as an experiment's script has them. The C library's system() ignores
--- Ctrl-C in the caller for as long as the command runs, so a stop would be lost; exit() would leave the
--- record open; and a pipe to a command that goes on, once collected, waits for it: in the middle of our
--- closing.
local blame = require "moonpulse.text.author_line"
local bytes_read = require "moonpulse.text.bytes_read"
local core = require "moonpulse.core"
local ends_again = require "moonpulse.experiment.ends_again"
local refusals = require "moonpulse.text.refusal"
local whose = require "moonpulse.experiment.whose"

local M = {}

local Opened = {}
Opened.__index = Opened

--- Other parts of the script went on meanwhile.
local function behind_turn(heard, ...)
  heard:turn()
  return ...
end

--- Run a command and wait for its end in the loop: a stop ends the wait, and the command.
local function execute(waiting, command)
  local ended
  local process <close> = assert(core.process { args = { "/bin/sh", "-c", command }, inherit = true,
    on_line = function() end,
    on_exit = function(status, signal)
      ended = { status, signal }
      waiting:wake()
    end })
  core.hold(true) -- it does not live in virtual time
  local done, how = pcall(waiting.until_true, waiting, function() return ended end)
  core.hold(false)
  if not done then
    error(how, 0)
  end
  process:finish()
  local status, signal = how[1], how[2]
  if signal ~= 0 then
    return nil, "signal", signal
  end
  return status == 0 or nil, "exit", status
end

--- Where the script cannot wait the command blocks it, but not the signals.
local function execute_here(command)
  return assert(io.popen(command, "w")):close()
end

--- What scripts and drivers read is noted, for the record, and what they write themselves, which is nothing
--- that the run was given; our own files are no news.
local function watch_files(self)
  local function note(path, mode)
    local info = debug.getinfo(3, "S")
    mode = mode or "r"
    if type(path) ~= "string" or type(mode) ~= "string" or info and blame.is_ours(info.source) then
      return
    elseif not mode:find "^w" then -- to write after what is there it is read, too
      bytes_read.note_data(path, self.open)
    end
    if mode ~= "r" and mode ~= "rb" then
      bytes_read.note_made(path)
    end
  end
  function io.open(path, mode) -- luacheck: ignore 122
    note(path, mode)
    return blame.own(self.open, path, mode)
  end
  function io.lines(path, ...) -- luacheck: ignore 122
    note(path)
    return blame.own(self.lines, path, ...)
  end
  function io.input(file) -- luacheck: ignore 122
    note(file)
    return blame.own(self.input, file)
  end
  function io.output(file) -- luacheck: ignore 122
    note(file, "w")
    return blame.own(self.output, file)
  end
  function os.rename(from, to) -- luacheck: ignore 122
    note(to, "w")
    return blame.own(self.rename, from, to)
  end
end

--- os.exit of a script: the run ends as stopped on request.
---@param stage moonpulse.Stage of the runner
---@return fun(code: any)
function M.exit(stage)
  return function(code)
    stage.why = stage.why or ("os.exit(%s) at %s"):format(code == nil and "" or blame.text(code),
      blame.origin())
    ends_again.await(stage)
    stage.stimulator:stop("requested")
    stage.stimulator.stopped = stage.stimulator.stopped or "requested"
    local _, problem = pcall(refusals.stopped, "requested")
    stage.failure = stage.failure or problem -- who catches it does not go on
    stage.waiting:wake()
    core.stop_began "requested"
    error(problem, 0)
  end
end

--- From now on, until it is closed, scripts and what they require have these; os.exit in a driver's or a
--- simulator's file is what it was.
---@param stage moonpulse.Stage of the runner
---@return table to be closed
function M.open(stage)
  local self = setmetatable({ execute = os.execute, exit = os.exit, popen = io.popen, open = io.open,
    lines = io.lines, input = io.input, output = io.output, rename = os.rename, pipes = {} }, Opened)
  local driver, exit = stage.job.driver, M.exit(stage)
  function os.execute(command) -- luacheck: ignore 122
    if command == nil then
      return true
    elseif type(command) ~= "string" or command:find("\0", 1, true) then
      blame.fail("os.execute: a command is needed, not %s", type(command))
    elseif whose.is_drivers(2, driver) then
      return execute_here(command) -- also after the script's end
    end
    stage.waiting.check()
    io.stdout:flush()
    if pcall(core.current) then
      return behind_turn(stage.heard, execute(stage.waiting, command))
    end
    return execute_here(command)
  end
  function os.exit(code) -- luacheck: ignore 122
    if whose.is_drivers(2, driver) then
      self.exit(code)
    end
    exit(code)
  end
  watch_files(self)
  function io.popen(...) -- luacheck: ignore 122
    local opened = table.pack(pcall(self.popen, ...))
    if not opened[1] then
      error(opened[2], 2)
    end
    local pipe, message, code = table.unpack(opened, 2, 4)
    for i = #self.pipes, 1, -1 do
      if io.type(self.pipes[i]) == "closed file" then
        table.remove(self.pipes, i)
      end
    end
    self.pipes[#self.pipes + 1] = pipe
    return pipe, message, code
  end
  return self
end

local unclosed = {} -- until the program has ended

function Opened:__close()
  os.execute, os.exit, io.popen = self.execute, self.exit, self.popen -- luacheck: ignore 122
  io.open, io.lines = self.open, self.lines -- luacheck: ignore 122
  io.input, io.output, os.rename = self.input, self.output, self.rename -- luacheck: ignore 122
  table.move(self.pipes, 1, #self.pipes, #unclosed + 1, unclosed)
end

return M
