--- How a run ends: with a status that fits its reason, a sentence that says what to do, in bounded time.
local scenarios = require "moonpulse.explore.scenario"
local troubles = require "moonpulse.explore.trouble"

-- what docs/stopping.md says of each reason, by itself
local status_of = { finished = 0, signal = 5, key = 5, line = 5, late = 5, close = 5, requested = 5,
  error = 2,
  stuck = 5, guard = 5, record = 5, full = 5, torn = 5, device = 4, silent = 4, setting = 4, gone = 4,
  blocked = 4, refractory = 4 }

local statuses = { [0] = true, [2] = true, [3] = true, [4] = true, [5] = true }
local words_of = { completed = 0, stopped = 5, ["device fault"] = 4 }

return {
  { name = "no-error-of-our-own",
    says = "A run ends with a refusal, a fault or a stop, not with an error of ours.",
    when = function() return true end,
    check = function(run)
      local text = run.message or ""
      if type(run.problem) == "string" then
        return run.problem
      elseif text:find("attempt to ", 1, true) or text:find("bad argument", 1, true)
        or text:find("stack traceback", 1, true) or text:find("script waits for something", 1, true) then
        return text
      end
    end },
  { name = "known-exit-status", says = "The exit status is one of 0, 2, 3, 4 and 5.",
    when = function() return true end,
    check = function(run)
      return not statuses[run.status] and ("it is %s"):format(tostring(run.status)) or nil
    end },
  { name = "message-unless-done", says = "A run that is not complete says why in a sentence.",
    when = function(run) return run.status ~= 0 end,
    check = function(run)
      return (not run.message or #run.message < 10) and ("it says %q"):format(tostring(run.message)) or nil
    end },
  { name = "known-reason", says = "The manifest names the reason of the end: one that docs/stopping.md has.",
    when = function(run) return run.result.stop ~= nil end,
    check = function(run)
      return not status_of[run.result.stop] and ("it is %q"):format(tostring(run.result.stop)) or nil
    end },
  { name = "reason-in-words", says = "The manifest says in words how the run ended.",
    when = function(run) return run.result.status ~= nil end,
    check = function(run)
      local reason = run.result.reason
      return (type(reason) ~= "string" or #reason < 10) and ("it says %q"):format(tostring(reason)) or nil
    end },
  { name = "status-fits-reason", says = "The exit status is that of the reason in the manifest.",
    when = function(run) return status_of[run.result.stop or ""] and not run.full end,
    check = function(run)
      local wanted = status_of[run.result.stop]
      local text = run.message or ""
      if run.status == wanted or run.status == 4 and text:find("NOT CONFIRMED SAFE", 1, true) then
        return nil
      elseif run.result.stop == "error" and run.status == 3 then
        return nil -- a plan of a script that was refused
      end
      return ("stopped by %s, and the exit status is %d: %s"):format(run.result.stop, run.status, text)
    end },
  { name = "manifest-fits-status", says = "The status in the manifest is that of the exit status.",
    when = function(run) return run.result.status ~= nil and not run.full end,
    check = function(run)
      local wanted = words_of[run.result.status]
      local unsafe = run.status == 4 and run.message:find("NOT CONFIRMED SAFE", 1, true)
      return wanted and wanted ~= run.status and not unsafe and not (run.result.status == "stopped"
        and (run.status == 2 or run.status == 3))
          and ("it says %s, the exit status is %d"):format(run.result.status, run.status)
        or nil
    end },
  { name = "not-left-running", says = "No record is left at running, but one that the disk did not take.",
    when = function(run) return run.manifest and not run.full end,
    check = function(run)
      return run.manifest.status == "running" and "the manifest says running" or nil
    end },
  { name = "manifest-is-there", says = "A run that made a folder leaves a manifest that can be read.",
    when = function(run) return run.folder and not run.full end,
    check = function(run) return not run.manifest and "there is none" or nil end },
  { name = "undisturbed-completes",
    says = "A protocol that nothing disturbs, and nobody stops, is completed.",
    when = function(run)
      return run.scenario.plan and not troubles.happened(run) and run.status ~= 3
    end,
    check = function(run)
      return run.status ~= 0 and ("status %d: %s"):format(run.status, tostring(run.message)) or nil
    end },
  { name = "full-disk-is-said", says = "A run whose record is not whole does not end as complete.",
    when = function(run) return run.full and run.result.status == "completed" and run.events_text end,
    check = function(run)
      return (run.odd_row or #run.pulses ~= (run.result.pulses_sent or 0) + (run.result.pulses_skipped or 0))
        and ("completed, and %d of %d rows are there"):format(#run.pulses, run.result.pulses_sent or 0) or nil
    end },
  { name = "ends-in-time", says = "A run is over within the time that its plan takes and its device needs.",
    when = function(run) return run.ended_ns end,
    check = function(run)
      local lasts = scenarios.lasts(run.scenario)
      local steps = 0
      for _, part in ipairs(run.scenario.script or {}) do
        steps = steps + #part
      end
      local most = lasts + 60 + 30 * steps
      local took = (run.ended_ns - run.began_ns) / 1e9
      return took > most and ("it took %.1f s, its plan %.1f s"):format(took, lasts) or nil
    end },
}
