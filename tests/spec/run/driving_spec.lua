-- The page on driving Moonpulse from Python: what it shows works as it stands there.
local fixture = require "job"
local shell = require "shell"

describe("docs/driving.md", function()
  local folder, jobs
  fixture.each_test(function(...) folder, jobs = ... end)

  it("shows a Python program that reads the pulses of a run and stops it after the tenth", function()
    local page = shell.read "docs/driving.md"
    shell.write(folder .. "/follow.py", assert(page:match "\n```python\n(.-)```\n"))
    local python, line = page:match("\n```sh\npython3 (follow.py) %S+/moonpulse/mine.sock &\n"
      .. "moonpulse ([^\n]+)\n```\n")
    os.execute(("python3 %s/%s %s/moonpulse/mine.sock >%s/said 2>&1 && echo whole >%s/rc &"):format(folder,
      python, folder, folder, folder))
    local job = jobs:start("run", ("%s --tolerance 10000 --out %s/runs"):format(line, folder))
    assert.are.equal(5, job:wait(), job:err())
    shell.await(function() return shell.read(folder .. "/rc") end, "the end of the program")
    local path = fixture.run_in(folder .. "/runs")
    local rows, given = shell.rows(path .. "/events.tsv"), 0
    for _, row in ipairs(shell.rows(path .. "/twin.tsv")) do
      given = given + (row.event == "pulse" and 1 or 0)
    end
    local said = {}
    for text in shell.read(folder .. "/said"):gmatch "[^\n]+" do
      said[#said + 1] = text
    end
    assert.is_true(given >= 10 and #rows == given and #said == given + 1)
    for i, row in ipairs(rows) do
      local onset, mso, status = said[i]:match "^(%S+) (%S+) (%S+)$"
      assert.are.same({ tonumber(row.onset), tonumber(row.intensity_mso), row.status },
        { tonumber(onset), tonumber(mso), status })
    end
    assert.are.equal(("stopped program %d True"):format(given), said[#said])
    assert.are.equal("stopped by another program (my script, process ",
      fixture.manifest(path).result.reason:match "^(.-)%d+%): ten are enough$")
  end)
end)
