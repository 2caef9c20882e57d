-- A prompt: what you type is run, line by line, as the script of an experiment. `moonpulse repl` runs this.
--
--   moonpulse repl                                          on the simulator
--   moonpulse repl --device magventure --port /dev/ttyUSB0
--   moonpulse repl --answers lines.txt --speed max          what is typed from a file, without waiting
local mp = require "moonpulse"

return mp.experiment {
  name = "A prompt",
  aim = "to try a stimulator and plans by hand",
  run = function(run)
    run:prompt()
  end,
}
