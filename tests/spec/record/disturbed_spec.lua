--- flight.bin and journal.jsonl that another program removes, replaces or empties while the run goes on: at
--- its end the run says so, in the manifest too, and what to do; what can be mended is.
local fixture = require "job"
local journals = require "moonpulse.record.journal"
local shell = require "shell"

describe("the files of a run", function()
  local folder, results

  -- by name: what meets them behind the third pulse of four, and what is said of it
  local meetings = {
    left_alone = { ":" },
    flight_removed = { "rm flight.bin", "flight.bin: another program removed it.*events.tsv is whole" },
    flight_replaced = { "cp flight.bin f; mv f flight.bin", "flight.bin: another program replaced it" },
    flight_linked = { "rm flight.bin; ln -s /nowhere flight.bin", "flight.bin: another program replaced it" },
    journal_removed = { "rm journal.jsonl", "another program removed it.* written again and has every line" },
    journal_replaced = { "echo >j; mv j journal.jsonl", "journal.jsonl: another program replaced it.*"
      .. "what was in its place is .*journal.jsonl.replaced" },
    journal_emptied = { ": >journal.jsonl", "journal.jsonl: another program emptied or changed it" },
    journal_edited = { "printf 9 | dd of=journal.jsonl bs=1 seek=9 conv=notrunc 2>/dev/null",
      "journal.jsonl: another program emptied or changed it" },
  }

  setup(function()
    folder = shell.folder()
    shell.write(folder .. "/made.lua", [[local mp = require "moonpulse"
      return mp.experiment { params = { does = { default = "" } }, run = function(run)
        local stim = run:device()
        stim:arm()
        for i = 1, 4 do
          stim:fire(mp.pulse(mp.mso(40)))
          if i == 3 then os.execute(run.params.does) end
        end
      end }]])
    local commands = {}
    for name, meeting in pairs(meetings) do
      commands[name] = meeting[1]
    end
    results = fixture.meet(folder, commands, function(_, script)
      return ("-p does='exec sh %s'"):format(script)
    end)
  end)

  teardown(function()
    shell.remove(folder)
  end)

  for name, meeting in pairs(meetings) do
    it("are those that it wrote, or it says which are not: " .. name, function()
      local result, path = results[name], fixture.run_in(folder .. "/" .. name)
      local manifest, said = fixture.manifest(path), result.out .. result.err
      assert.are.same({ 0, "completed", 4 }, { result.status, manifest.status, manifest.result.pulses_sent },
        said)
      if not meeting[2] then
        assert.is_nil(manifest.result.files)
        assert.is_nil(said:find("another program", 1, true))
        return
      end
      local notes = table.concat(manifest.result.files, "\n")
      for _, text in ipairs { notes, said } do
        assert.matches(meeting[2], text)
        assert.matches("keep editors and synchronisers out of a run's folder", text, 1, true)
      end
      if name == "journal_removed" or name == "journal_replaced" then
        local entries, damage = journals.read(path)
        assert.are.same({}, damage)
        local whole = journals.read(fixture.run_in(folder .. "/left_alone"))
        assert.are.equal(#whole, #entries)
      end
    end)
  end
end)
