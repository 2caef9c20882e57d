--- Questions to the operator: on a terminal, from a pipe, from a file of answers, or from another program
--- that follows the run (run/feed.lua). On a terminal q and the space bar stop the run while no question is
--- open.
local answers_given = require "moonpulse.experiment.answer"
local blame = require "moonpulse.text.author_line"
local core = require "moonpulse.core"
local escapes = require "moonpulse.text.escapes"
local history = require "moonpulse.experiment.prompt_history"
local numbers = require "moonpulse.text.numbers"
local refusals = require "moonpulse.text.refusal"
local text_files = require "moonpulse.text.text_file"

local M = {}

local most_offered = 1000 -- bytes of an answer of another program
local from_file = "--answers" -- as the source of an answer

local Keyboard = {}
Keyboard.__index = Keyboard

--- The lines of a file of answers.
---@param path string
---@return string[]?
---@return string? message
function M.read_answers(path)
  return text_files.lines(path)
end

--- The keyboard of an experiment: what run:ask reads answers from, and what stops the run meanwhile.
---@param waiting table
---@param listen fun(typed: fun(bytes: string)?): table? from now on keys stop the run; gives what is to be
---   closed, nil where there are no keys; typed: is told what else comes
---@param answers string[]? of read_answers; then nobody is asked
---@param path string? where they come from
---@param recorded string? they are those of an earlier run: how it is named instead
---@param heard moonpulse.Heard
---@param told boolean? only another program answers (--answers events)
---@param refused table<string, true>? answers of an earlier run that were refused, and asked again: as
---   "question", a newline and the answer
---@return table keyboard to be closed; its tell(kind, entry) hears each question and answer
function M.new(waiting, listen, answers, path, recorded, heard, told, refused)
  recorded = answers and recorded or nil -- else somebody is asked
  return setmetatable({ waiting = waiting, rest = "", answers = answers, path = recorded or path, taken = 0,
    recorded = recorded, heard = heard, told = told, refused = refused,
    asked = 0, listen = listen, keys = listen(), tell = function() end }, Keyboard)
end

--- Keys stop the run again; where lines are edited, what else is typed is for the next of them.
local function listen_again(self)
  local editor = self.editor
  self.keys = self.listen(editor and function(bytes) editor:typed(bytes) end or nil)
end

--- Keys stop nothing any more, and the terminal is as it was.
function Keyboard:close()
  if self.keys then
    self.keys:close()
    self.keys = nil
  end
end

function Keyboard:__close()
  self:close()
  if self.editor then
    self.editor:close()
  end
end

--- A whole line of what has come on standard input.
local function take_line(self)
  local line, rest = self.rest:match("^([^\n]*)\n(.*)$")
  if not line and self.ended and self.rest ~= "" then
    line, rest = self.rest, ""
  end
  if line then
    self.rest = rest
    return line
  elseif self.ended then
    return false
  end
end

--- What another program has answered to the question that is open.
local function take_offer(self)
  local offer = self.offered
  if offer then
    self.offered, self.source = nil, offer.source
    print(escapes.shown(offer.text)) -- nobody typed it here
    return offer.text
  end
end

--- A line that another program gives; nobody is asked besides.
local function await_offer(self)
  core.hold(true)
  local ok, line = pcall(self.waiting.until_true, self.waiting, function() return take_offer(self) end)
  core.hold(false)
  return ok and line or not ok and error(line, 0)
end

--- The next line of standard input, or what another program answers before; false at its end.
local function read_line(self)
  if self.told then
    return await_offer(self)
  end
  local input = core.input(function(bytes)
    self.rest, self.ended = self.rest .. (bytes or ""), bytes == nil
    self.waiting:wake()
  end)
  if not input then -- a regular file: reading it never waits
    return io.stdin:read("l") or false
  end
  local watched <close> = input -- luacheck: ignore 211
  core.hold(true) -- an operator does not live in virtual time
  local ok, line = pcall(self.waiting.until_true, self.waiting, function()
    local offer = self.is_asking and take_offer(self)
    return offer or take_line(self)
  end)
  core.hold(false)
  return ok and line or not ok and error(line, 0)
end

--- A line that is typed at a terminal and edited there; false at its end.
local function edit_line(self, prompt, names)
  local line = self.editor:read(prompt, names())
  self.edited = nil
  if line == nil then
    core.hold(true)
    local ok, problem = pcall(self.waiting.until_true, self.waiting, function() return self.edited end)
    core.hold(false)
    self.editor:leave()
    line = ok and self.edited or not ok and error(problem, 0)
  end
  if line and line:find "%S" and line ~= self.remembered then
    self.remembered = line
    self.editor:remember(line)
    history.add(line)
  end
  return line
end

--- May lines be edited? Then there is an editor, with what was typed at earlier prompts.
local function has_editor(self)
  if self.editor == nil then
    local listened = self.keys
    self:close() -- it takes the terminal as it finds it
    self.editor = not self.answers and core.editor(function(line)
      self.edited = line
      self.waiting:wake()
    end) or false
    if listened then
      listen_again(self)
    end
    for _, line in ipairs(self.editor and history.read() or {}) do
      self.editor:remember(line)
      self.remembered = line
    end
  end
  return self.editor
end

--- What was answered in an earlier run, when it was; nil: that is not known.
local function answer_then(self)
  local recall = self.heard.recall
  local was = recall and recall:answer(self.heard:part())
  if not was then
    return nil
  end
  local at_ns = self.start_ns + was.at_ns
  self.waiting:until_true(function() return core.clock_ns() >= at_ns or nil end,
    math.max(0, at_ns - core.clock_ns()) / 1e9)
  return was.text
end

--- The next answer, wherever answers come from; false when there are no more.
local function next_answer(self, person, read)
  if self.answers and not person then
    self.taken = self.taken + 1
    local was = answer_then(self)
    if was then
      return was
    end
    return self.answers[self.taken] or false
  end
  local listened = self.keys
  self:close() -- what is typed now is an answer
  local lent = not read and self.editor
  if lent then
    lent:lend(true)
  end
  local ok, line = pcall(read or read_line, self)
  if lent then
    lent:lend(false)
  end
  if listened then
    listen_again(self)
  end
  if not ok then
    print() -- the question's line stays open otherwise
    error(line, 0)
  end
  return line
end

--- A number, from low to high where these are given.
local function number_taken(low, high)
  return function(answer)
    local number = answers_given.decimal(answer)
    return number and number >= (low or number) and number <= (high or number) and answer or nil
  end, low and ("a number from %.10g to %.10g"):format(low, high) or "a number, like 2.5"
end

--- What a question takes: "MEP? [y/n]" y or n only, "MEP in uV? [number]" a number, "[number 1 to 10]" one
--- from 1 to 10; one without brackets takes any line.
---@param question string
---@return fun(answer: string): string? taken nil: this is no answer
---@return string? named what it takes, for whoever gave something else; nil: it takes anything
local function taken_by(question)
  local inside = question:match("%[([^%[%]]*)%]%s*$")
  local from, to = (inside or ""):match "^number%s+(%S+)%s+to%s+(%S+)$"
  if inside == "number" then
    return number_taken()
  elseif from then
    local low, high = answers_given.decimal(from), answers_given.decimal(to)
    if not (low and high and low <= high) then
      blame.fail("run:ask: [%s]: two numbers are needed, the lower one first, like [number 0 to 10]", inside)
    end
    return number_taken(low, high)
  elseif not inside or not inside:find("/", 1, true) then
    return function(answer) return answer end
  end
  local choices = {}
  for choice in inside:gmatch("[^/]+") do
    choices[choice:lower()] = choice
  end
  return function(answer) return choices[answer:lower()] end, "one of " .. inside
end

local function no_answer(self, question, named, person)
  named = named or "any text"
  local file = ("--answers FILE, a text file with an answer a line (here %s)"):format(named)
  local why
  if person then
    why = "standard input is at its end, and only who is there can say"
  elseif self.recorded then
    why = ("%s has %s: the run had come no further"):format(self.recorded,
      #self.answers == 0 and "no answer" or "only " .. numbers.counted(#self.answers, "answer"))
  elseif self.path then
    why = ("%s has only %s: add a line (here %s)"):format(self.path, numbers.counted(#self.answers, "line"),
      named)
  elseif self.answers then
    why = "nobody is asked while an experiment is only looked at: give " .. file
  else
    why = "standard input is at its end; run it on a terminal, or with " .. file
  end
  refusals.raise("usage", "%s: question %d has no answer: \"%s\": %s", blame.origin(), self.asked, question,
    why)
end

--- One question at a time: what another part of the script asks meanwhile waits until this one is answered.
local function in_turn(self, call, ...)
  if self.open then
    self.others = (self.others or 0) + 1
    self.waiting:until_true(function() return not self.open or nil end)
    self.others = self.others - 1
  end
  self.open = true
  local ok, result = pcall(call, self, ...)
  self.open, self.question, self.offered = false, nil, nil
  if (self.others or 0) > 0 then
    self.waiting:wake()
  end
  return ok and result or not ok and error(result, 0)
end

--- An answer is none: whoever gave it is told what would be one. Raises where a file gave it.
local function refuse(self, question, answer, named, source, of)
  local again = self.refused and self.refused[question .. "\n" .. answer]
  if source == from_file and not again then
    -- without the file's name: made again from the record it is the same
    refusals.raise("usage", "--answers, line %d: %q is no answer to \"%s\": it takes %s", self.taken, answer,
      question, named)
  end
  self.tell("refused_answer", { question = question, answer = answer, takes = named, of = of,
    source = source })
  print(("please answer %s"):format(escapes.shown(named)))
end

--- An answer that was taken says nothing to the trial that asked.
---@param question string
---@param answer string
---@param named string what would say something
---@param source string? who gave it
function Keyboard:refuse(question, answer, named, source)
  refuse(self, question, answer, named, source, "script")
end

local function ask(self, question, person)
  local take, named = taken_by(question)
  self.asked = self.asked + 1
  if self.tell_keys then
    self.tell_keys() -- else it would come behind the question, on its line
  end
  local from = self.answers and not person and from_file or "operator"
  local of = person and "stimulator" or "script"
  self.tell("question", { text = question, of = of })
  self.question, self.takes, self.is_asking = question, take, not (self.answers or person)
  self.for_person, self.named = person, named
  if self.sampled then
    self.sampled:asked()
  end
  while true do
    self.source = nil
    io.stdout:write(escapes.shown(question), " ")
    io.stdout:flush()
    local line = next_answer(self, person)
    if not line then
      print()
      no_answer(self, question, named, person)
    end
    local answer = line:match("^%s*(.-)%s*$")
    if not self.source and (self.answers and not person or not self.keys) then
      print(escapes.shown(answer)) -- a terminal has shown it as it was typed
    end
    local taken = take(answer)
    if taken then
      self.source = self.source or from
      self.tell("answer", { question = question, answer = taken, of = of, source = self.source })
      self.question = nil
      return taken
    end
    self.source = self.source or from
    refuse(self, question, answer, named, self.source, of)
  end
end

--- Ask the operator and wait for the answer.
---@param question string "[a/b]" at its end names the answers that are taken, "[number]" takes a number
---@param person boolean? only somebody who is there can say: no answer of a file
---@return string
function Keyboard:ask(question, person)
  if type(question) ~= "string" or question == "" then
    blame.fail("run:ask: the question is missing")
  end
  return in_turn(self, ask, question, person)
end

--- Another program answers the question that is open.
---@param text any
---@param source string who it is
---@param question any of that question alone; nil: whichever is open
---@return boolean taken
---@return string? why not
function Keyboard:offer(text, source, question)
  if type(text) ~= "string" or text:find "%c" or #text > most_offered or not utf8.len(text) then
    return false, ("a text is needed, one line of at most %d bytes"):format(most_offered)
  elseif not (self.open and self.question) then
    return false, "no question is open"
  elseif self.for_person then
    return false, "only somebody who is at the stimulator can answer that"
  elseif not self.is_asking then
    return false, "answers come from --answers"
  elseif question ~= nil and question ~= self.question then
    return false, "another question is open: " .. self.question
  elseif self.offered then
    return false, "it is answered already"
  end
  text = text:match "^%s*(.-)%s*$"
  if not self.takes(text) then
    self.tell("refused_answer", { question = self.question, answer = text, takes = self.named, of = "script",
      source = source })
    return false, ("it takes %s"):format(self.named or "any text")
  end
  self.offered = { text = text, source = source }
  self.waiting:wake()
  return true
end

M.quit = "quit" -- how the end of standard input, or of the answers, is written down at a prompt

local function line(self, prompt, names)
  self.asked = self.asked + 1
  self.tell("question", { text = prompt, of = "script" })
  local edits = has_editor(self)
  if not edits then
    io.stdout:write(escapes.shown(prompt))
    io.stdout:flush()
  end
  local typed = next_answer(self, false, edits and function() return edit_line(self, prompt, names) end)
  local answer = typed and typed:gsub("\r$", "") or M.quit
  if self.answers or not self.keys or not typed then
    print(escapes.shown(answer))
  end
  self.tell("answer", { question = prompt, answer = answer, of = "script",
    source = self.answers and from_file or "operator" })
  return answer
end

--- The next line at a prompt, as it was typed.
---@param prompt string
---@param names fun(): string[] what the Tab key completes, where there is one
---@return string line M.quit where there is none any more
function Keyboard:line(prompt, names)
  return in_turn(self, line, prompt, names)
end

return M
