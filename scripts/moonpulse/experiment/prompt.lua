--- A prompt of an experiment: each line that is typed is Lua of the script's, and is run at once. It is asked
--- as a question of the script's is, so the record, a repetition, stops and what goes on meanwhile are those
--- of any experiment.
local blame = require "moonpulse.text.author_line"
local core = require "moonpulse.core"
local escapes = require "moonpulse.text.escapes"
local experiments = require "moonpulse.experiment"
local handles = require "moonpulse.experiment.handle"
local in_order = require "moonpulse.text.in_order"
local refusals = require "moonpulse.text.refusal"
local sandbox = require "moonpulse.protocol.sandbox"
local shown_value = require "moonpulse.experiment.shown_value"
local syntax = require "moonpulse.text.syntax"
local waitings = require "moonpulse.experiment.waiting"

local M = {}

local help = [[
What you type is Lua. stim is the stimulator (connected, not armed), run the run, mp makes plans; a name that
you set (x = 5) stays. A value is printed, a plan as its outline. Three to copy:

  stim:arm()
  stim:fire(mp.pulse(mp.mso(50)))
  train = mp.train { pulses = 10, hz = 5, intensity = mp.mso(40) }

Then train shows it, stim:play(train) gives it, stim:disarm() makes the stimulator safe, and stim:status()
asks it. stim, run and mp alone say what they have; docs/experiments.md says what that does.
Ctrl-C stops the stimulator at once and ends the run; while a plan plays q and the space bar do so, too.
quit (or Ctrl-D) disarms, closes the record and ends.]]

local turn_ns = 50000000 -- of printing, without a turn of the loop: an armed run stops after ten times that
local more = ">> " -- the prompt of a line that goes on

---@class moonpulse.Prompt
---@field stage moonpulse.Stage of the runner
---@field names table the globals of what is typed
---@field lines integer that were typed
local Prompt = {}
Prompt.__index = Prompt

--- The prompt says whether the stimulator is armed, and what it was told last.
local function question_of(stage)
  if not stage.device:armed() then
    return "moonpulse> "
  end
  local levels = {}
  for _, each in ipairs(stage.stimulator.list or { stage.stimulator }) do
    local outputs = each.listening.outputs
    for _, output in ipairs(each.armed and in_order.keys(outputs) or {}) do
      levels[#levels + 1] = ("%s%g"):format(stage.stimulator.list and each.job.place .. " " or "",
        outputs[output].mso)
    end
  end
  return ("armed %s %%MSO> "):format(table.concat(levels, "/"))
end

--- What the Tab key completes: names that were set, and what run, stim and mp have.
local function names_of(self)
  local list = { "help", "quit" }
  local function add(text)
    list[#list + 1] = text:find "^[%a_][%w_.:]*$" and text or nil
  end
  for _, name in ipairs(in_order.keys(self.names)) do
    add(tostring(name))
    local value = rawget(self.names, name)
    for _, method in ipairs(handles.object(value) and handles.methods(value) or {}) do
      add(name .. ":" .. method)
    end
  end
  local mp = rawget(self.names, "mp") -- which may be another thing by now
  for _, name in ipairs(type(mp) == "table" and in_order.keys(mp) or {}) do
    add("mp." .. tostring(name))
  end
  return list
end

--- The next line, which is in the record from then on.
local function line_of(self, question)
  self.stage.waiting:wait(0) -- the loop has its turn, however many lines a file has
  local line = self.stage.keyboard:line(question, function() return names_of(self) end)
  self.lines = self.lines + 1
  self.stage.mark(question, nil, nil, line)
  return line
end

--- What was typed as a function of table.pack: an expression that gives its values, else statements.
local function compiled(self, text, first)
  local before = ("\n"):rep(first - 1) -- so that an error has the number of the line that was typed
  -- a tail call (return stim:arm()) would leave no line to blame
  local expression = ("%sreturn (...)(%s"):format(before, (text:gsub("^%s*return%f[%W]", "")))
  for _, close in ipairs { ")", "\n)" } do -- it may end with a comment
    local chunk = load(expression .. close, "=prompt", "t", self.names)
    if chunk then
      return chunk
    end
  end
  return load(before .. text, "=prompt", "t", self.names)
end

--- A line, with those that follow where it is not finished: a function, or nil and why there is none; false
--- where the prompt is left.
local function read_chunk(self)
  local text = line_of(self, question_of(self.stage))
  local first, word = self.lines, text:match("^%s*(.-)%s*$")
  if word == "quit" or word == "exit" then
    return false
  elseif word == "help" or word == "?" then
    print(help)
    return nil
  end
  while true do
    local chunk, message = compiled(self, text, first)
    if chunk or not message:find("near <eof>$") then
      return chunk, message and syntax.explained(message, text), text
    end
    local line = line_of(self, more)
    if line:match("^%s*quit%s*$") then
      return nil, syntax.explained(message, text) .. " (given up)"
    end
    text = text .. "\n" .. line
  end
end

--- An error is shown, and the prompt goes on; not if it ended the run, or the stimulator is at fault.
local function tell_error(self, problem)
  if refusals.is_fault(problem) then
    error(problem, 0)
  end
  self.stage.waiting.check()
  local text = blame.text(problem):gsub("%f[%w](%a[%w._]*): 0x%x+", "a %1") -- another one in each run
  print(escapes.shown(text, true))
  self.stage.mark(text)
end

--- What a local is worth at a prompt.
local function tell_local(text)
  local name = text:match "^%s*local%s+([%a_][%w_]*)%s*=" or text:match "^%s*local%s+function%s+([%a_][%w_]*)"
  if name then
    print(("(a local is gone at the end of what was typed: without the word local %s stays)"):format(name))
  end
end

--- Run what was typed; what it gives is printed.
local function obey(self, chunk)
  local ran, results = pcall(chunk, table.pack)
  if not ran then
    return tell_error(self, results)
  end
  for i = 1, results and results.n or 0 do
    local ok, text = pcall(shown_value.of, results[i]) -- its __tostring is the script's
    if not ok then
      return tell_error(self, text)
    end
    print(text)
  end
end

--- Ask for lines until somebody leaves.
function Prompt:run()
  print "(help says what there is; quit or Ctrl-D ends)"
  while true do
    local chunk, message, text = read_chunk(self)
    if chunk == false then
      return
    elseif chunk then
      obey(self, chunk)
      tell_local(text)
    elseif message then
      print(escapes.shown(message, true))
    end
    io.stdout:flush()
  end
end

--- print as it is typed: the loop has its turn however much is printed, and one text has an end.
local function printing(stage)
  local turned_ns = core.real_ns()
  return function(...)
    local texts = table.pack(...)
    for i = 1, texts.n do
      texts[i] = shown_value.cut(tostring(texts[i]))
    end
    print(table.concat(texts, "\t", 1, texts.n))
    -- parts of a script come in an order of their own: that is not for print to change
    if core.real_ns() - turned_ns > turn_ns and stage.heard.spawned == 0 and waitings.can_wait() then
      stage.waiting:wait(0)
      turned_ns = core.real_ns()
    end
  end
end

--- A prompt of a script's.
---@param stage moonpulse.Stage of the runner
---@param run moonpulse.ExperimentRun
---@param given table<string, any> names that what is typed sees, too
---@return moonpulse.Prompt
function M.new(stage, run, given)
  local environment = experiments.environment(stage.job.protocol)
  local as_script = environment.require
  local names = { run = run, stim = run:device(), mp = as_script "moonpulse", print = printing(stage) }
  for name, value in pairs(given) do
    names[name] = value
  end
  return setmetatable({ stage = stage, lines = 0, names = sandbox.typed(environment, names) }, Prompt)
end

return M
