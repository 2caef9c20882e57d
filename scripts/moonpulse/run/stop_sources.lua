--- What stops a run: where a stop comes from, and why a run ended.
local blame = require "moonpulse.text.author_line"
local core = require "moonpulse.core"
local numbers = require "moonpulse.text.numbers"
local refusals = require "moonpulse.text.refusal"
local stop_words = require "moonpulse.text.stop_words"
local term = require "term"
local unanswered = require "moonpulse.stimulator.unanswered"

local M = {}

local signals = { [1] = "SIGHUP", [2] = "Ctrl-C (SIGINT)", [3] = "SIGQUIT", [15] = "SIGTERM",
  [20] = "Ctrl-Z (SIGTSTP)" }

--- Why a run ended before its plan did, in words.
---@param context moonpulse.Context
---@param outcome moonpulse.Ended
---@return string
function M.explain(context, outcome)
  local job, too_late = context.job, outcome.too_late
  if outcome.text then
    return outcome.text
  elseif outcome.fault then
    return outcome.fault
  elseif outcome.stop == "signal" and job.signal then
    return "stopped by " .. job.signal
  elseif (outcome.stop == "key" or outcome.stop == "program") and job.paused_behind then
    return ("paused by %s, behind %s"):format(job.stopper or "a key (p)", job.paused_behind)
  elseif outcome.stop == "program" and job.stopper then
    return "stopped by " .. job.stopper
  elseif outcome.stop == "late" and too_late then
    return ("pulse %d %s %s late (limit %s)"):format(too_late.pulse, too_late.sent and "left up to"
      or "would have left", numbers.seconds(too_late.late_ns / 1e9), numbers.seconds(job.tolerance))
  end
  local text = stop_words.words(outcome.stop, context.experiment)
  local unheard = outcome.stop == "silent" or outcome.stop == "setting"
  text = unheard and unanswered.cause(outcome.driver or job.driver, text) or text
  local is_device = (core.stops[outcome.stop] or {}).status == refusals.status.fault
  return outcome.place and is_device and ("%s: %s"):format(outcome.place, text) or text
end

--- Every source of a stop comes here, from the first moment on; the first one wins and stays.
---@param job moonpulse.Job
---@param reason string
function M.interrupt(job, reason)
  if job.stop_reason then
    return
  end
  job.stop_reason = reason
  core.stop_began(reason)
  if job.on_stop then
    job.on_stop(reason)
  end
end

--- Let a signal that came be heard, of which the loop was not told yet. Twice: on a busy computer the first
--- wait may
--- be over before the loop has looked.
function M.hear()
  for _ = 1, 2 do
    pcall(core.wait, 0)
  end
end

--- A line of its own on the terminal, whatever the live line shows.
local function tell(text, ...)
  core.screen("\r" .. text:format(...) .. "\27[K\n")
end

--- Pause the run behind the trial that goes on, or take that back. While it can_pause.
---@param job moonpulse.Job
---@param say fun(text: string, ...) tells whoever asked
---@param stopper string? the other program that asks; nil: a key
function M.pause(job, say, stopper)
  -- loaded for who asks for it
  job.pausing = job.pausing or require("moonpulse.run.pausing").new(job, function(by)
    job.stopper = by
    M.interrupt(job, by and "program" or "key")
  end)
  job.pausing:toggle(say, stopper)
end

--- Say what the keys of a terminal do, as it is at this moment.
---@param job moonpulse.Job
function M.tell_keys(job)
  job.told_pause = job.can_pause
  print(job.can_pause and "(q or space stops; p pauses behind the trial, and resume goes on)"
    or job.cannot_pause and ("(q or space stops while a plan plays; p pauses nothing: %s)"):format(
      job.cannot_pause) or "(q or space stops)")
end

--- On a terminal, q and the space bar stop the run, and p pauses it where it can be.
---@param job moonpulse.Job
---@param quiet boolean? it was said before, or is said later
---@param typed fun(bytes: string, letters: string)? at a prompt: what else is typed, for its next line. Whole
---   lines are that, whatever letters they have: somebody pasted them. letters: without arrows and their like
---@return table? input to be closed
function M.listen_for_keys(job, quiet, typed)
  if not (term.isatty(io.stdin) and term.isatty(io.stdout)) then
    return nil
  end
  if not quiet then
    M.tell_keys(job)
  end
  local letters_of = require("moonpulse.run.key_letters").new() -- loaded for terminals
  return core.input(function(bytes)
    if not bytes then
      return
    end
    local letters = letters_of(bytes)
    if typed and bytes:find("[\r\n]") and bytes:find("[^qQ%s]") then
      typed(bytes, letters)
    elseif letters:find("[qQ ]") then
      M.interrupt(job, "key")
    elseif letters:find("[pP]") and job.can_pause then
      for _ in letters:gmatch("[pP]") do
        M.pause(job, tell)
      end
    elseif typed then
      typed(bytes, letters)
    end
  end, true)
end

--- Keys as triggers (--trigger-in keys): all but those that stop or pause, those that are no letter, and
--- Enter, which a box may type behind each.
---@param job moonpulse.Job
---@param hear fun(bytes: string)
---@return fun(bytes: string, letters: string) typed for M.listen_for_keys
function M.keys_to(job, hear)
  return function(_, letters)
    if letters:find "[qQ ]" then -- a box may type a line at once
      M.interrupt(job, "key")
      return
    end
    letters = letters:gsub("[\r\n]", "")
    if letters ~= "" then
      hear(letters)
    end
  end
end

--- From now on Ctrl-C and its like stop job instead of ending the process, until it has ended. What a
--- stop does not end, the engine does: bindings/backstop.h.
---@param job moonpulse.Job
function M.listen_for_signals(job)
  local _, stopped = pcall(refusals.stopped, "stuck")
  core.interrupts(stopped, blame.ours)
  core.phase "run"
  core.on_signal(function(number, by_program)
    if by_program then
      job.stopper = job.stopper or "another program (moonpulse ctl)"
      return M.interrupt(job, "program")
    end
    job.signal = job.signal or signals[number] or "signal " .. number
    M.interrupt(job, "signal")
  end)
end

return M
