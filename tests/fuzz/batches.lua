--- Tries many in a process, and many processes: one that crashes, or that comes to no end, costs its batch
--- only the case it was at, which the file "now" names.
local core = require "moonpulse.core"
local progresses = require "progress"
local shell = require "shell"

local M = {}

local AT_ONCE = 500
local slowed = shell.program:find("sanitize", 1, true) and 10 or 1

--- Run a batch to its end, or until it comes to none.
---@param command string of the shell
---@param now string the file that says at which case it is
---@return string? why it did not end well
local function run(command, now)
  local pid, status, signal, why
  local task, progress = core.current(), progresses.new(slowed)
  local process <close> = assert(core.process {
    args = { "/bin/sh", "-c", "echo $$; exec " .. command },
    on_line = function(text) pid = math.tointeger(text) end,
    on_exit = function(...)
      status, signal = ...
      task:wake()
    end,
  })
  while not status and not why do
    core.wait(1)
    if not status and pid then
      why = progress:look(core.real_ns() / 1e9, shell.read(now), progresses.computed(pid))
    end
  end
  if why then
    os.execute(("kill -KILL -%d"):format(pid)) -- it is the first of a session of its own
  end
  process:finish()
  local ended_well = status == 0 and (signal or 0) == 0
  return why or not ended_well and ("status %d, signal %d"):format(status, signal or 0) or nil
end

---@param folder string where "now" and the standard error are kept
---@param script string that takes FOLDER batch FIRST LAST and prints a line "FOUND ..." for what it finds
---@param what string how the cases are called
---@param first integer
---@param count integer
---@return integer exit status
local function all(folder, script, what, first, count)
  local last, tried, found, began = first + count - 1, 0, 0, os.time()
  while first <= last do
    local to = math.min(first + AT_ONCE - 1, last)
    local command = ("%s lua %s %s batch %d %d >%s/found 2>%s/stderr </dev/null"):format(
      shell.quote(shell.program), script, shell.quote(folder), first, to, shell.quote(folder),
      shell.quote(folder))
    os.remove(folder .. "/now")
    local why = run(command, folder .. "/now")
    for line in (shell.read(folder .. "/found") or ""):gmatch("[^\n]+") do
      if line:find("^FOUND ") then
        print(line)
        found = found + 1
      end
    end
    if why then
      to = tonumber((shell.read(folder .. "/now"))) or to
      print(("FOUND %d: the process came to no end, or crashed (%s): %s"):format(to, why,
        (shell.read(folder .. "/stderr") or ""):sub(-300)))
      found = found + 1
    end
    tried, first = tried + to - first + 1, to + 1
  end
  print(("%d %s, %d findings, %d s"):format(tried, what, found, os.time() - began))
  return found == 0 and 0 or 1
end

--- As all, whoever calls it.
function M.all(...)
  return pcall(core.current) and all(...) or core.run(all, ...)
end

return M
