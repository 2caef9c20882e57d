--- Tries many in a process, and many processes: one that crashes, or that comes to no end, costs its batch
--- only the case it was at, which the file "now" names.
local shell = require "shell"

local M = {}

local AT_ONCE = 500

---@param folder string where "now" and the standard error are kept
---@param script string that takes FOLDER batch FIRST LAST and prints a line "FOUND ..." for what it finds
---@param what string how the cases are called
---@param first integer
---@param count integer
---@return integer exit status
function M.all(folder, script, what, first, count)
  local last, tried, found, began = first + count - 1, 0, 0, os.time()
  while first <= last do
    local to = math.min(first + AT_ONCE - 1, last)
    local command = "timeout -s KILL %d %s lua %s %s batch %d %d 2>%s/stderr </dev/null"
    local pipe = assert(io.popen(command:format(60 + (to - first) // 2, shell.quote(shell.program), script,
      shell.quote(folder), first, to, shell.quote(folder))))
    for line in pipe:lines() do
      if line:find("^FOUND ") then
        print(line)
        found = found + 1
      end
    end
    local ok, _, code = pipe:close()
    if not ok then
      to = tonumber((shell.read(folder .. "/now"))) or to
      print(("FOUND %d: the process came to no end, or crashed (status %s): %s"):format(to, tostring(code),
        (shell.read(folder .. "/stderr") or ""):sub(-300)))
      found = found + 1
    end
    tried, first = tried + to - first + 1, to + 1
  end
  print(("%d %s, %d findings, %d s"):format(tried, what, found, os.time() - began))
  return found == 0 and 0 or 1
end

return M
