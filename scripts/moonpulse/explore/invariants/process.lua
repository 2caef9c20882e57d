--- What holds from run to run: the same seed is the same bytes, nothing is left behind.
local slack_kb = 3000 -- what memory may differ by between two looks, over a thousand runs and more

local function differs(run, other, field)
  return run[field] ~= other[field] and field:gsub("_text", "") .. " is not the same" or nil
end

--- A journal without the name of the port, which is a number of this process, and what is hashed over it; and
--- without the hashes of files that say when the run was, its last line.
local function journal(run)
  local text = run.journal_text
  if not text then
    return {}
  end
  local last = text:sub(1, -2):match "^.*\n()" or 1 -- found from behind, at once
  if text:sub(-1) == "\n" and text:find('"kind":"sealed"', last, true) then
    text = text:sub(1, last - 1)
  end
  return { journal_text = text:gsub("wire:%d+", "wire"):gsub('"prev":"%x+"', ""):gsub('"check":"%x+"', "") }
end

return {
  { name = "same-seed-same-bytes",
    says = "The same scenario gives the same record, simulator's log and journal.",
    when = function(run) return run.again end,
    check = function(run)
      return differs(run, run.again, "events_text") or differs(run, run.again, "simulator_text")
        or differs(journal(run), journal(run.again), "journal_text")
    end },
  { name = "short-cuts-change-nothing",
    says = "With the short cuts of virtual time and without them a plan leaves the same bytes.",
    when = function(run) return run.long_way and not run.full end,
      -- how much a file's buffer holds may differ
    check = function(run)
      return differs(run, run.long_way, "events_text") or differs(run, run.long_way, "simulator_text")
        or differs(run, run.long_way, "status")
    end },
  { name = "same-seed-same-end", says = "The same scenario ends with the same status and the same words.",
    when = function(run) return run.again end,
    check = function(run)
      local function bare(text)
        return tostring(text):gsub("/%S*_explored[_%d]*", ""):gsub("wire:%d+", "")
      end
      return (run.status ~= run.again.status or bare(run.message) ~= bare(run.again.message))
        and ("%d %s; again: %d %s"):format(run.status, run.message or "", run.again.status,
          run.again.message or "") or nil
    end },
  { name = "time-is-real-again", says = "When a run has ended, time is real and nothing is armed.",
    when = function(run) return run.after end,
    check = function(run)
      return run.after.is_virtual and "time is still virtual" or run.after.open and run.after.open > 0
        and ("%d sessions are still open"):format(run.after.open) or nil
    end },
  { name = "no-task-left", says = "Nothing that a run began is still waiting when it has ended.",
    when = function(run) return run.after end,
    check = function(run)
      return run.after.tasks > 0 and ("%d tasks are left"):format(run.after.tasks) or nil
    end },
  { name = "no-file-left-open", says = "When a run has ended, none of its files is open.",
    when = function(run) return run.after and run.after.files end,
    check = function(run)
      return run.after.files > run.after.files_before and ("%d files are open, before the run %d"):format(
        run.after.files, run.after.files_before) or nil
    end },
  { name = "memory-flat", says = "However many runs a process has played, it holds no more memory.",
    when = function(run) return run.after and run.after.memory_kb end,
    check = function(run)
      return run.after.memory_kb > run.after.first_kb + slack_kb
        and ("%d kB are held, after the first runs %d kB")
        :format(run.after.memory_kb, run.after.first_kb) or nil
    end },
}
