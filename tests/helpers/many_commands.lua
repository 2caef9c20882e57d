--- Several commands of moonpulse in one program, for shell.many: `moonpulse lua many_commands.lua LIST`; the
--- file LIST returns { END, { "show", "x.lua" }, ... }. After each command a line with END and its exit
--- status is on standard output, and END on standard error.
local cli = require "moonpulse.cli"

local list = dofile(arg[1])
local exit = os.exit

--- One command: where it would end the program, it is left where it is.
local function perform(words)
  local command = coroutine.create(cli.main)
  os.exit = function(status) -- luacheck: ignore 122
    coroutine.yield(status == true and 0 or status)
  end
  local ok, status = coroutine.resume(command, words)
  os.exit = exit -- luacheck: ignore 122
  return ok and status or error(debug.traceback(command, tostring(status)), 0)
end

for i = 2, #list do
  local words = list[i]
  words[0] = "moonpulse"
  local status = perform(words)
  io.stdout:flush()
  io.stdout:write(("%s%d\n"):format(list[1], status))
  io.stdout:flush()
  io.stderr:write(list[1], "\n")
end
