--- What stops a run: where a stop comes from, and how it is said.
local blame = require "moonpulse.blame"
local core = require "moonpulse.core"
local links = require "moonpulse.link"
local outline = require "moonpulse.outline"
local term = require "term"
local unanswered = require "moonpulse.unanswered"

local M = {}

local signals = { [1] = "SIGHUP", [2] = "Ctrl-C (SIGINT)", [3] = "SIGQUIT", [15] = "SIGTERM",
  [20] = "Ctrl-Z (SIGTSTP)" }

--- What to do about it, to be said after how far the run came; "" where nothing is to be said.
---@param reason string
---@param scripted any true: an experiment's
function M.remedy(reason, scripted)
  local row = core.stops[reason] or {}
  local text = scripted and row.scripted_remedy or row.remedy
  return text and "; " .. text or ""
end

--- A reason of the engine's, in words.
---@param reason string
---@param scripted any true: an experiment's, so the script may be the one that did not yield
function M.words(reason, scripted)
  if reason == "stuck" and core.muted() then
    return "nobody took what Moonpulse printed for half a second (a held terminal, a full pipe)"
  end
  local row = core.stops[reason] or { words = reason }
  return scripted and row.scripted_words or row.words
end

--- Why a run ended before its plan did, in words.
function M.explain(context, outcome)
  local job, left_out = context.job, outcome.left_out
  if outcome.text then
    return outcome.text
  elseif outcome.fault then
    return outcome.fault
  elseif outcome.stop == "signal" and job.signal then
    return "stopped by " .. job.signal
  elseif outcome.stop == "late" and left_out and left_out.reason == "late" then
    return ("pulse %d would have left %s late (limit %s)"):format(left_out.pulse,
      outline.seconds(left_out.late_ns / 1e9), outline.seconds(job.tolerance))
  end
  local text = M.words(outcome.stop, context.experiment)
  local unheard = outcome.stop == "silent" or outcome.stop == "setting"
  return unheard and unanswered.cause(job.driver, text) or text
end

--- Every source of a stop comes here, from the first moment on; the first one wins and stays.
---@param job table
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

--- On a terminal, q and the space bar stop the run.
---@param quiet boolean? it was said before
---@return table? input to be closed
function M.listen_for_keys(job, quiet)
  if not (term.isatty(io.stdin) and term.isatty(io.stdout)) then
    return nil
  end
  if not quiet then
    print("(q or space stops)")
  end
  return core.input(function(bytes)
    if bytes and bytes:find("[qQ ]") then
      M.interrupt(job, "key")
    end
  end, true)
end

--- From now on Ctrl-C and its like stop job instead of ending the process, until it has ended. What a
--- stop does not end, the engine does: bindings/backstop.h.
function M.listen_for_signals(job)
  local _, stopped = pcall(links.stopped, "stuck")
  core.interrupts(stopped, blame.ours)
  core.phase "run"
  core.on_signal(function(number)
    job.signal = job.signal or signals[number] or "signal " .. number
    M.interrupt(job, "signal")
  end)
end

return M
