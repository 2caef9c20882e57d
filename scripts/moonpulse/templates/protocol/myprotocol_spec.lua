--- Tests of myprotocol: moonpulse test ./myprotocol_spec.lua
local testing = require "moonpulse.testing"

describe("myprotocol", function()
  local mine = testing.protocol("myprotocol.lua", { rmt = 50 })

  -- numbers from the paper, not from the file
  it("has the pulses and times of the paper", function()
    mine:pulses(400):first_onset(0):onset(21, 10):last_onset(191.9):nominal_end(192)
  end)

  it("has the intensity of the paper", function() mine:intensity("90%RMT") end)

  it("keeps to the guidelines", function() mine:passes_guidelines() end)

  it("can be given by the stimulator", function() mine:fits("magventure") end)

  it("has fewer trains where that is asked", function()
    testing.protocol("myprotocol.lua", { params = { trains = 2 } }):pulses(40)
  end)
end)
