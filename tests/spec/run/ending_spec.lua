--- What a run says at its end of one pulse and of more, and from where its keys come.
local core = require "moonpulse.core"
local jobs = require "job"
local shell = require "shell"
local stops = require "moonpulse.run.stop_sources"
local term = require "term"

describe("a run that an error ends", function()
  it("says how many pulses of how many were sent", function()
    local folder = shell.folder()
    for pulses, said in pairs { "0 pulses were sent", "1 pulse was sent", "2 pulses were sent" } do
      shell.write(folder .. "/script.lua", ([[local mp = require "moonpulse"
        return mp.experiment(function(run)
          local stim = run:device()
          stim:arm()
          for _ = 1, %d do
            stim:fire(mp.pulse(mp.mso(40)))
          end
          error "enough"
        end)]]):format(pulses - 1))
      local status, _, err = shell.moonpulse(folder, ("run %s/script.lua --speed max --out %s/runs"):format(
        folder, folder))
      assert.are.equal(2, status, err)
      assert.matches("enough; " .. said .. "; the stimulator is disarmed", err, 1, true)
      if pulses > 1 then -- the report counts as the last line does
        local run = jobs.run_in(folder .. "/runs")
        assert.matches("after " .. said:match "%d+ %a+" .. ":", shell.read(run .. "/report.html"), 1, true)
      end
      shell.remove(folder .. "/runs")
    end
    shell.remove(folder)
  end)
end)

describe("the keys that stop a run", function()
  --- What is said, and which of these keys stop it, where the input and the output are terminals, or not.
  local function keys_of(input, output, quiet)
    local stopped, said, hears = {}, {}, nil
    local old = { isatty = term.isatty, input = core.input, print = print, interrupt = stops.interrupt }
    finally(function()
      term.isatty, core.input, _G.print, stops.interrupt = old.isatty, old.input, old.print, old.interrupt
    end)
    term.isatty = function(stream)
      return stream == io.stdin and input or stream == io.stdout and output
    end
    core.input = function(call)
      hears = call
      return {}
    end
    stops.interrupt = function(_, reason) stopped[#stopped + 1] = reason end
    _G.print = function(text) said[#said + 1] = text end
    local listens = stops.listen_for_keys({}, quiet) ~= nil
    _G.print = old.print
    for _, bytes in ipairs { "q", "Q", " ", "xq", "x", "\n", "" } do
      if hears then
        hears(bytes)
      end
    end
    assert.are.equal(listens, hears ~= nil)
    return { table.concat(said), table.concat(stopped, " ") }
  end

  it("are a terminal's where the output goes to one, too", function()
    assert.are.same({ "(q or space stops)", "key key key key" }, keys_of(true, true))
    assert.are.same({ "", "key key key key" }, keys_of(true, true, true))
  end)

  it("are none of a file or a pipe, and nothing is said of them", function()
    for _, case in ipairs { { false, false }, { true, false }, { false, true } } do
      assert.are.same({ "", "" }, keys_of(case[1], case[2]))
    end
  end)
end)
